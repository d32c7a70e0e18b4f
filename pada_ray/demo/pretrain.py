"""Makes the demo student: a Llama of half a million weights that knows arithmetic and the form of a reply.

`python -m pada_ray.demo.pretrain [--out DIR] [--seed N] [--steps N] [--threads N] [--check]`

The same seed and number of threads give the same weights. At the end (with `--check`, only this) it prints how many new
problems in pretraining's own words the student solves, so that students can be compared.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from pada_ray.config import StudentConfig
from pada_ray.demo import STUDENT
from pada_ray.demo.corpus import Document, documents
from pada_ray.demo.tokenizer import END, MAX_LENGTH, role_token, train_tokenizer
from pada_ray.records import Message
from pada_ray.student.model import Student

STEPS = 2000
ROWS, ROW_LENGTH = 24, 96  # a step's batch, in tokens
LEARNING_RATE, WARM_UP, DECAY, CLIP = 4e-3, 50, 0.4, 1.0
TOKENIZER_DOCUMENTS = 20_000
PROBLEMS, PROBLEMS_SEED = 400, 2_000_000  # for the check
REPLY_LENGTH = 48  # tokens; pretraining's replies are shorter


def pretrain(out: Path, seed: int, steps: int) -> None:
    """Trains tokenizer and weights and saves both in `out`, as `from_pretrained` loads them."""
    torch.manual_seed(seed)
    tokenizer = train_tokenizer(_texts(islice(documents(random.Random(seed)), TOKENIZER_DOCUMENTS)))
    model = new_student(tokenizer)
    train(model, _rows(tokenizer, documents(random.Random(seed + 1_000_000))), steps)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def new_student(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=96,
            intermediate_size=256,
            num_hidden_layers=4,
            num_attention_heads=4,
            max_position_embeddings=MAX_LENGTH,
            tie_word_embeddings=True,
            bos_token_id=None,
            **ends,
        )
    )
    model.generation_config = GenerationConfig(**ends)
    return model


def train(model: LlamaForCausalLM, rows: Iterator[list[int]], steps: int) -> None:
    """AdamW with warm-up, a plateau and a linear decay; the loss is on every token."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / WARM_UP, 1.0, (steps - step) / (DECAY * steps))
    )
    started = time.monotonic()
    model.train()
    for step in range(steps):
        batch = torch.tensor(list(islice(rows, ROWS)))
        loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        if (step + 1) % 100 == 0:
            print(f"step {step + 1} loss {loss.item():.3f} {time.monotonic() - started:.0f} s", flush=True)


def solved(student: Path) -> float:
    """The share of PROBLEMS new pretraining conversations in which the student gives exactly the reply."""
    conversations = (d for d in documents(random.Random(PROBLEMS_SEED)) if not isinstance(d, str))
    turns = [[Message(role=role, content=text) for role, text in c] for c in islice(conversations, PROBLEMS)]
    replies = Student(StudentConfig(model=str(student))).replies([t[:-1] for t in turns], REPLY_LENGTH, PROBLEMS)
    return sum(r.text == t[-1].content for r, t in zip(replies, turns, strict=True)) / PROBLEMS


def _texts(stream: Iterator[Document]) -> Iterator[str]:
    for document in stream:
        if isinstance(document, str):
            yield document
        else:
            yield from (text for _, text in document)


def _rows(tokenizer: PreTrainedTokenizerFast, stream: Iterator[Document]) -> Iterator[list[int]]:
    """Documents end to end, cut into rows of ROW_LENGTH tokens."""
    held: list[int] = []
    for document in stream:
        turns = [("", document)] if isinstance(document, str) else document
        text = "".join((role_token(role) if role else "") + said + END for role, said in turns)
        held += tokenizer.encode(text)
        while len(held) >= ROW_LENGTH:
            yield held[:ROW_LENGTH]
            held = held[ROW_LENGTH:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=STUDENT)
    parser.add_argument("--seed", type=int, default=0, help="seed of the corpus and of the initial weights")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--check", action="store_true", help="do not pretrain: check the student in --out")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if not args.check:
        pretrain(args.out, args.seed, args.steps)
    print(f"solves {solved(args.out):.1%} of {PROBLEMS} new problems in pretraining's words")


if __name__ == "__main__":
    main()

"""Greedy replies with an adapter by one of the programs that are compared. Runs in a process of its own
(`processes.call`).

All get the same prompts as the chat template writes them, the same batch size and limit, and end a reply at the end of
its turn. Loading stays out of the time, and so does a first small batch. `products alone` is no program: it tells
what the others cannot do without.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from benchmarks.bench.training import peak_memory
from pada_ray.config import StudentConfig
from pada_ray.records import Sample
from pada_ray.storage import Folder
from pada_ray.student.chat_encoder import ChatEncoder, load_encoder
from pada_ray.student.evaluation import fails_all
from pada_ray.student.model import Student
from pada_ray.student.shared_beginning import common_beginning

WARM_UP = 2  # prompts
ROW = 128  # tokens

Say = Callable[[Sequence[Sample]], list[str]]


class Work(NamedTuple):
    """What every program is to do."""

    model: str
    adapter: str  # folder as peft saves it
    dtype: str
    questions: str  # file of samples
    max_new_tokens: int
    batch_size: int


def generate(way: str, **work: Any) -> dict[str, Any]:
    """Replies in a way of WAYS, how many tokens they have, which are wrong, and what it took."""
    one = Work(**work)
    torch.set_num_threads(1)
    samples = _questions(one)
    encoder = load_encoder(StudentConfig(model=one.model))
    say = WAYS[way](one, encoder)
    say(samples[:WARM_UP])
    cpu, wall = time.process_time(), time.perf_counter()
    replies = say(samples)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {
        "replies": replies,
        "failed": fails_all(replies, samples),
        "tokens": sum(_tokens(encoder, reply, one.max_new_tokens) for reply in replies),
        "cpu": cpu,
        "wall": wall,
        "memory": peak_memory(),
        "threads": torch.get_num_threads(),
    }


def _questions(work: Work) -> list[Sample]:
    file = Path(work.questions)
    return Folder(str(file.parent)).read_records(file.name, Sample)


def _tokens(encoder: ChatEncoder, reply: str, most: int) -> int:
    """How many tokens were generated for a reply, the one that ends its turn included."""
    return min(len(encoder.tokenizer(reply, add_special_tokens=False)["input_ids"]) + 1, most)


def ours(work: Work, encoder: ChatEncoder) -> Say:
    settings = StudentConfig.model_validate({"model": work.model, "dtype": work.dtype})
    student = Student(settings, work.adapter)

    def say(samples: Sequence[Sample]) -> list[str]:
        replies = student.replies([s.prompt for s in samples], work.max_new_tokens, work.batch_size)
        return [reply.text for reply in replies]

    return say


def lm_eval(work: Work, encoder: ChatEncoder) -> Say:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    model = HFLM(
        pretrained=work.model,
        peft=work.adapter,
        dtype=work.dtype,
        batch_size=work.batch_size,
        device="cpu",
        add_bos_token=False,
    )
    ends = encoder.tokenizer.convert_ids_to_tokens(sorted(encoder.end_of_turn))

    def say(samples: Sequence[Sample]) -> list[str]:
        prompts = [encoder.tokenizer.decode(encoder.prompt(s.prompt)) for s in samples]
        settings = {"until": ends, "max_gen_toks": work.max_new_tokens, "do_sample": False}
        asked = [
            Instance("generate_until", doc={}, arguments=(prompt, dict(settings)), idx=i)
            for i, prompt in enumerate(prompts)
        ]
        return [reply.strip() for reply in model.generate_until(asked, disable_tqdm=True)]

    return say


def products_alone(work: Work, encoder: ChatEncoder) -> Say:
    """The model's passes for the same tokens, which are known beforehand: the prompts in full rows without padding,
    with their common beginning once; then a pass for each further token of a batch, over the rows that still have one.
    No pass looks back at what the model has read."""
    settings = StudentConfig.model_validate({"model": work.model, "dtype": work.dtype})
    student = Student(settings, work.adapter)
    samples = _questions(work)
    known = {s.id: reply for s, reply in zip(samples, ours(work, encoder)(samples), strict=True)}

    @torch.inference_mode()
    def say(samples: Sequence[Sample]) -> list[str]:
        by_length = sorted(((encoder.prompt(s.prompt), s.id) for s in samples), key=lambda asked: len(asked[0]))
        prompts = [prompt for prompt, _ in by_length]
        shared = common_beginning(prompts)
        read = prompts[0][:shared] + [token for prompt in prompts for token in prompt[shared:]]
        full = len(read) // ROW * ROW
        for rows in (*torch.tensor(read[:full]).view(-1, ROW).split(work.batch_size), torch.tensor([read[full:]])):
            if rows.numel():
                student.model(input_ids=rows, logits_to_keep=torch.tensor([-1]))
        replies = [_tokens(encoder, known[name], work.max_new_tokens) for _, name in by_length]
        for start in range(0, len(replies), work.batch_size):
            batch = replies[start : start + work.batch_size]
            for said in range(1, max(batch)):  # the first comes with the prompt
                going = sum(length > said for length in batch)
                student.model(input_ids=torch.zeros(going, 1, dtype=torch.long))
        return [known[s.id] for s in samples]

    return say


WAYS: dict[str, Callable[[Work, ChatEncoder], Say]] = {
    "ours": ours,
    "lm-eval": lm_eval,
    "products alone": products_alone,
}

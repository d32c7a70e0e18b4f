"""The fine-tunings and evaluations of a finished run once more, by plain transformers and peft in one process.

The training sets are read from the run, so what the LLMs wrote is taken as given. The adapter is merged, prompts of
like length share a batch, and everything is imported and loaded once: this is the least that the same work takes here.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
import transformers
from peft import get_peft_model

from benchmarks.bench.training import Work, lora, plain_steps
from pada_ray.config import Config
from pada_ray.records import Sample
from pada_ray.runs import run_files
from pada_ray.runs.configs import read_config
from pada_ray.storage import Folder
from pada_ray.student.chat_encoder import IGNORED, ChatEncoder, load_encoder
from pada_ray.student.evaluation import fails_all
from pada_ray.student.model import load_model

T = TypeVar("T")


def repeat_run(run: str) -> dict[str, Any]:
    """The `accuracy` of every model of the run on its splits, here trained and evaluated again, and how many `seconds`
    the fine-tunings and the evaluations took."""
    folder = Folder(run)
    config = read_config(folder)
    encoder, base = load_encoder(config.student), load_model(config.student).eval()
    samples = run_files.read_samples(folder, config.data.task)
    seconds = {"fine-tuning": 0.0, "evaluation": 0.0}

    def timed(kind: str, work: Callable[..., T], *given: Any) -> T:
        began = time.monotonic()
        result = work(*given)
        seconds[kind] += time.monotonic() - began
        return result

    held_out = {split: members for split, members in samples.items() if split != "train"}
    found = {run_files.BASE: timed("evaluation", _accuracies, base, encoder, config, held_out)}
    for iteration in range(config.iterations + 1):
        training_set = folder.read_records(run_files.training_set(iteration), Sample)
        model = timed("fine-tuning", _trained, copy.deepcopy(base), encoder, config, training_set)
        found[run_files.model(iteration)] = timed("evaluation", _accuracies, model, encoder, config, samples)
    return {"accuracy": found, "seconds": seconds}


def _trained(base: Any, encoder: ChatEncoder, config: Config, training_set: Sequence[Sample]) -> Any:
    settings = config.fine_tune
    transformers.set_seed(config.seed)
    model = get_peft_model(base, lora(settings.lora))
    encoded = [encoder.conversation(s.messages) for s in training_set]
    collate = transformers.DataCollatorForSeq2Seq(encoder.tokenizer, label_pad_token_id=IGNORED)
    work = Work(config.student.model, "", settings.epochs, settings.batch_size, settings.learning_rate, config.seed)
    for inputs in plain_steps(model, encoded, work, collate):
        model(**inputs).loss.backward()
    return model.merge_and_unload().eval()


def _accuracies(model: Any, encoder: ChatEncoder, config: Config, samples: dict[Any, list[Sample]]) -> dict[str, float]:
    every = [s for members in samples.values() for s in members]
    failed = iter(fails_all(_replies(model, encoder, config, every), every))
    return {split: sum(not next(failed) for _ in members) / len(members) for split, members in samples.items()}


@torch.inference_mode()
def _replies(model: Any, encoder: ChatEncoder, config: Config, samples: Sequence[Sample]) -> list[str]:
    prompts = [encoder.prompt(s.prompt) for s in samples]
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    replies = [""] * len(prompts)
    for start in range(0, len(order), config.evaluation.batch_size):
        batch = order[start : start + config.evaluation.batch_size]
        ids = {"input_ids": [prompts[i] for i in batch]}
        padded = encoder.tokenizer.pad(ids, padding_side="left", return_tensors="pt")
        out = model.generate(
            **padded,
            max_new_tokens=config.evaluation.max_new_tokens,
            do_sample=False,
            eos_token_id=sorted(encoder.end_of_turn),
            pad_token_id=encoder.tokenizer.pad_token_id,
        )
        for i, row in zip(batch, out[:, padded["input_ids"].shape[1] :].tolist(), strict=True):
            replies[i] = encoder.reply(row).text
    return replies

"""The adapter's weights added to the base model's, and a check that the sum says what the two said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoConfig

from pada_ray.config import StudentConfig
from pada_ray.errors import PadaError
from pada_ray.records import Message
from pada_ray.student.model import Student, dtype_for, model_location

PROMPTS = 50
_BATCH = 8


class Limits(NamedTuple):
    """What rounding to a type may change."""

    logits: float  # largest relative difference
    same_replies: float  # smallest share


# The adapter itself is always asked in float32. A reply is a chain of choices, and one that is nearly a tie is enough
# for another chain, so weights that are rounded to half a float's bits may say some things otherwise.
LIMITS = {
    torch.float32: Limits(1e-4, 1.0),
    torch.float16: Limits(0.01, 0.9),
    torch.bfloat16: Limits(0.05, 0.8),
}


class Parity(NamedTuple):
    """How the merged model compares with the adapter on its base model, over some prompts."""

    prompts: int
    same_replies: int
    logits: float
    """Largest difference of a prompt's next-token logits, relative to their norm."""
    dtype: torch.dtype

    @property
    def holds(self) -> bool:
        limits = LIMITS[self.dtype]
        return self.logits <= limits.logits and self.same_replies >= limits.same_replies * self.prompts

    def __str__(self) -> str:
        return (
            f"{self.same_replies} of {self.prompts} replies the same as the adapter's in float32, logits within "
            f"{self.logits:.1e} of them, weights in {str(self.dtype).removeprefix('torch.')}"
        )


class Unequal(PadaError, RuntimeError):
    """A merged or converted model that does not say what the run's model says."""


class _Said(NamedTuple):
    logits: list[torch.Tensor]
    replies: list[str]


def write_merged(
    settings: StudentConfig,
    adapter: str,
    target: Path,
    prompts: Sequence[Sequence[Message]],
    max_new_tokens: int,
    stop: Sequence[str] = (),
) -> Parity:
    """Writes the sum of base model and adapter to the folder `target`, in the base model's own type, as transformers
    loads it.

    What was written is loaded again and compared with the adapter on its base model, over `prompts`. A base model in 4
    bits is taken in full: they do not hold the sum.

    Args:
        adapter: a local folder as peft saves it.

    Raises Unequal, and leaves no `target`, when they differ by more than rounding can explain.
    """
    dtype = _own_dtype(settings)
    whole = settings.model_copy(update={"quantization": None, "dtype": "float32"})
    student = Student(whole, adapter, merged=False)
    before = _said(student, prompts, max_new_tokens, stop)
    merged = student.model.merge_and_unload().to(dtype)
    merged.save_pretrained(target)
    student.encoder.tokenizer.save_pretrained(target)
    del student, merged
    after = _said(_as_written(whole, target, dtype), prompts, max_new_tokens, stop)
    parity = compare(before, after, dtype)
    if not parity.holds:
        for file in target.iterdir():
            file.unlink()
        target.rmdir()
        raise Unequal(f"the merged model is not the run's model: {parity}; use the adapter, and report this")
    return parity


def compare(before: _Said, after: _Said, dtype: torch.dtype) -> Parity:
    """How far what the written model said is from what the adapter said."""
    differences = [float((a - b).norm() / b.norm()) for a, b in zip(after.logits, before.logits, strict=True)]
    same = sum(a == b for a, b in zip(after.replies, before.replies, strict=True))
    return Parity(len(before.replies), same, max(differences, default=0.0), dtype)


def _own_dtype(settings: StudentConfig) -> torch.dtype:
    """The type that the base model's weights are stored in."""
    stored = getattr(AutoConfig.from_pretrained(model_location(settings.model)), "dtype", None)
    return stored if stored in LIMITS else dtype_for(settings)


def _as_written(settings: StudentConfig, folder: Path, dtype: torch.dtype) -> Student:
    student = Student(settings.model_copy(update={"model": str(folder)}))
    student.model.to(dtype)  # exact: the weights that were read are of this type
    return student


def _said(student: Student, prompts: Sequence[Sequence[Message]], most: int, stop: Sequence[str]) -> _Said:
    replies = student.replies(prompts, most, _BATCH, stop)
    return _Said([_next(student, prompt) for prompt in prompts], [reply.text for reply in replies])


@torch.inference_mode()
def _next(student: Student, prompt: Sequence[Message]) -> torch.Tensor:
    """Logits of the token that follows the prompt: (vocabulary,), in float32 on the CPU."""
    model: Any = student.model
    ids = torch.tensor([student.encoder.prompt(prompt)[: student.settings.max_length]], device=model.device)
    return model(input_ids=ids, logits_to_keep=1).logits[0, -1].float().cpu()

"""The adapter's weights added to the base model's, and a check that the sum says what the two said."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoConfig

from pada_ray.config import StudentConfig
from pada_ray.errors import PadaError
from pada_ray.records import Message
from pada_ray.student.model import IGNORED, Student, dtype_for, model_location

PROMPTS = 50
_BATCH = 8


class Limits(NamedTuple):
    """What rounding to a type may change."""

    logits: float  # largest relative difference
    same_tokens: float  # smallest share
    same_replies: float  # smallest share


# Both are asked in float32, so only the weights' rounding shows. A reply is a chain of choices, and one that is nearly
# a tie begins another chain. So in half a float's bits the choices count one by one, each behind what the adapter said.
LIMITS = {
    torch.float32: Limits(1e-4, 1.0, 1.0),
    torch.float16: Limits(0.01, 0.95, 0.0),
    torch.bfloat16: Limits(0.2, 0.9, 0.0),
}


class Parity(NamedTuple):
    """How the merged model compares with the adapter on its base model, over some prompts."""

    prompts: int
    same_replies: int
    same_tokens: float
    """Share of the tokens of the adapter's replies that the merged model would say too, behind the same text."""
    logits: float
    """Largest difference of a prompt's next-token logits, relative to their norm, both without the logits' mean: no
    softmax sees it, and it may be a hundred times as large as what the model chooses by."""
    base_logits: float
    """The same of the base model without the adapter: what the adapter changes."""
    dtype: torch.dtype

    @property
    def holds(self) -> bool:
        limits = LIMITS[self.dtype]
        return (
            self.logits <= min(limits.logits, self.base_logits / 4)
            and self.same_tokens >= limits.same_tokens
            and self.same_replies >= limits.same_replies * self.prompts
        )

    def __str__(self) -> str:
        return (
            f"{self.same_replies} of {self.prompts} replies and {100 * self.same_tokens:.1f}% of their tokens the same "
            f"as the adapter's, logits within {self.logits:.1e} of them (the base model: "
            f"{self.base_logits:.1e}), weights in {str(self.dtype).removeprefix('torch.')}"
        )


class Unequal(PadaError, RuntimeError):
    """A merged or converted model that does not say what the run's model says."""


class _Said(NamedTuple):
    replies: list[str]
    logits: list[torch.Tensor]  # of the token behind each prompt
    tokens: list[list[int]]  # the likeliest at each place of the adapter's replies


def write_merged(
    settings: StudentConfig,
    adapter: str,
    target: Path,
    prompts: Sequence[Sequence[Message]],
    max_new_tokens: int,
    stop: Sequence[str] = (),
) -> Parity:
    """Writes the sum of base model and adapter to the folder `target`, in the base model's own type, as transformers
    loads it; in float32 where rounding to that type would take too much of what the adapter changes.

    What was written is loaded again and compared with the adapter on its base model, over `prompts`, in float32. A base
    model in 4 bits is taken in full: they do not hold the sum.

    Args:
        adapter: a local folder as peft saves it.

    Raises Unequal, and leaves no `target`, when they differ by more than rounding can explain.
    """
    whole = settings.model_copy(update={"quantization": None, "dtype": "float32"})
    student = Student(whole, adapter, merged=False)
    asked = [list(prompt) for prompt in prompts]
    replies = _replies(student, asked, max_new_tokens, stop)
    told = [[*prompt, Message(role="assistant", content=reply)] for prompt, reply in zip(asked, replies, strict=True)]
    before = _said(student, told, replies)
    with student.model.disable_adapter():
        base = [_next(student, prompt) for prompt in asked]
    del student  # of two at a time, one may not fit
    for dtype in dict.fromkeys([_own_dtype(settings), torch.float32]):
        student = Student(whole, adapter)
        student.model.to(dtype).save_pretrained(target)
        student.encoder.tokenizer.save_pretrained(target)
        del student
        written = _as_written(whole, target)
        after = _said(written, told, _replies(written, asked, max_new_tokens, stop))
        parity = compare(before, after, base, dtype)
        if parity.holds:
            return parity
        shutil.rmtree(target)
    raise Unequal(f"the merged model is not the run's model: {parity}; use the adapter, and report this")


def compare(before: _Said, after: _Said, base: Sequence[torch.Tensor], dtype: torch.dtype) -> Parity:
    """How far what the written model said is from what the adapter said, and what the base model's logits are."""
    pairs = [pair for a, b in zip(before.tokens, after.tokens, strict=True) for pair in zip(a, b, strict=True)]
    return Parity(
        prompts=len(before.replies),
        same_replies=sum(a == b for a, b in zip(before.replies, after.replies, strict=True)),
        same_tokens=sum(a == b for a, b in pairs) / max(1, len(pairs)),
        logits=_farthest(after.logits, before.logits),
        base_logits=_farthest(base, before.logits),
        dtype=dtype,
    )


def _farthest(found: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> float:
    return max((float((a - b).norm() / b.norm()) for a, b in zip(found, expected, strict=True)), default=0.0)


def _own_dtype(settings: StudentConfig) -> torch.dtype:
    """The type that the base model's weights are stored in."""
    stored = getattr(AutoConfig.from_pretrained(model_location(settings.model)), "dtype", None)
    return stored if stored in LIMITS else dtype_for(settings)


def _as_written(settings: StudentConfig, folder: Path) -> Student:
    """The written model, computed in float32: what is compared is the weights, not a device's arithmetic."""
    return Student(settings.model_copy(update={"model": str(folder)}))


def _replies(student: Student, prompts: Sequence[list[Message]], most: int, stop: Sequence[str]) -> list[str]:
    return [reply.text for reply in student.replies(prompts, most, _BATCH, stop)]


def _said(student: Student, told: Sequence[list[Message]], replies: list[str]) -> _Said:
    """Args: told: each prompt with the adapter's reply."""
    return _Said(replies, [_next(student, t[:-1]) for t in told], [_choices(student, t) for t in told])


def _next(student: Student, prompt: Sequence[Message]) -> torch.Tensor:
    """Logits of the token that follows the prompt, without their mean: (vocabulary,), in float32 on the CPU."""
    logits = _logits(student, student.encoder.prompt(prompt), 1)[0].float().cpu()
    return logits - logits.mean()


def _choices(student: Student, told: Sequence[Message]) -> list[int]:
    """The likeliest token at each place of the reply that ends a conversation."""
    ids, labels = student.encoder.conversation(told)
    length = sum(label != IGNORED for label in labels)
    # The logits of a place say what comes behind it.
    return _logits(student, ids[:-1], length).argmax(-1).tolist()


@torch.inference_mode()
def _logits(student: Student, ids: list[int], last: int) -> torch.Tensor:
    """Logits behind the last places of a text: (last, vocabulary)."""
    model: Any = student.model
    return model(input_ids=torch.tensor([ids], device=model.device), logits_to_keep=last).logits[0]

"""What the rest of the project knows of a method: its record, which stands in the method's file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from pada_ray.records import Sample
from pada_ray.steps import Steps


@dataclass(frozen=True)
class Method:
    """One way to grow the training set. Plans, the time left, prompts and the report read it here."""

    function: Callable[[Sequence[Sample], Steps, int], Awaitable[int]]
    """Takes 𝒟_train, the steps and the number of iterations; returns the iteration whose model did best on 𝒟_val."""
    instruction: str | None = None
    """The prompt by which the generator writes its new samples. None: it has none written."""
    error_instruction: str | None = None
    """The prompt for its branch of training errors, where it has one."""
    reviewed: bool = False
    """Whether the Quality Control Agent verifies and judges its new samples."""
    finds_patterns: bool = False
    """Whether the Pattern Analysis Agent is at work."""
    contrasts: bool = False
    """Whether it looks for questions like those that failed, by the embedding model."""
    iterates: bool = True
    """Whether it trains again after the initial fine-tuning."""

    @property
    def instructions(self) -> tuple[str, ...]:
        return tuple(i for i in (self.instruction, self.error_instruction) if i is not None)

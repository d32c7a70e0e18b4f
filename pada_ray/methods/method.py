"""What the rest of the project knows of a method: its record, which stands in the method's file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

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
    seeds: Literal["train", "val"] = "train"
    """The split of the samples that its new ones are written from."""
    reviewed: bool = False
    """Whether the Quality Control Agent verifies and judges its new samples."""
    finds_patterns: bool = False
    """Whether the Pattern Analysis Agent is at work."""
    contrasts: bool = False
    """Whether it looks for questions like those that failed, by the embedding model."""
    drafts_blindly: bool = False
    """Whether strategies are drafted from training samples, without a look at any failure."""
    most_iterations: int | None = None
    """How often it trains again at most after the initial fine-tuning. None: as often as the config says."""
    reference: bool = False
    """Whether it trains on the samples of val too. Such a row says what their labels are worth. It is no rival of the
    methods that only look at them, and scored on splits that it has not seen."""

    def iterations(self, wanted: int) -> int:
        """Of the config's iterations, those that it makes."""
        return wanted if self.most_iterations is None else min(wanted, self.most_iterations)

    @property
    def instructions(self) -> tuple[str, ...]:
        return tuple(i for i in (self.instruction, self.error_instruction) if i is not None)

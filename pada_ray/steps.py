"""What every method is made of: the agents' and the model's work, as the orchestrator does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pada_ray.records import Analysis, Failure, Pattern, Sample, Seed, Strategy


class Steps(Protocol):
    """`iteration` 0 is the initial fine-tuning. The steps that give samples all give the same number in an iteration,
    `data_generation.ratio` of the training set, so that methods are matched in size."""

    async def fine_tune(self, iteration: int, training_set: Sequence[Sample]) -> None: ...
    async def evaluate(self, iteration: int) -> tuple[list[Failure], list[Failure]]:
        """ℰ_train and ℰ_val of the iteration's model."""
        ...

    async def hardest(self, iteration: int) -> list[Failure]:
        """What stands in for training errors where the model before the iteration makes none: the training samples of
        highest loss, a tenth of them, without a wrong reply."""
        ...

    async def best_on_val(self) -> int: ...

    # PaDA-Agent
    async def error_analysis(self, iteration: int, failures: Sequence[Failure]) -> list[Analysis]: ...
    async def cluster(self, iteration: int, analyses: Sequence[Analysis]) -> dict[int, list[Analysis]]: ...
    async def pattern_categorization(self, iteration: int, clusters: dict[int, list[Analysis]]) -> list[Pattern]: ...
    async def strategy_drafting(self, iteration: int, patterns: Sequence[Pattern]) -> list[Strategy]: ...
    async def find_what_is_left(self, iteration: int, failures: Sequence[Failure]) -> None:
        """The patterns that an `iteration` after the last one would begin with."""
        ...

    async def generate(
        self, iteration: int, strategies: Sequence[Strategy], train_failures: Sequence[Failure]
    ) -> list[Sample]:
        """New samples along the strategies and, by a method that has the branch, against training errors: against
        the `hardest` samples where there are none."""
        ...

    # Other methods
    async def blind_strategy_drafting(self, iteration: int) -> list[Strategy]:
        """Strategies from training samples, without a look at any failure."""
        ...

    async def write(
        self,
        iteration: int,
        seeds: Sequence[Seed],
        *,
        keep_reply: bool = False,
        max_overlap: float = 1.0,
    ) -> list[Sample]:
        """New samples by the method's instruction, each from one of `seeds`. Within a round none of them is drawn twice
        before all were; a later round draws from all again.

        `keep_reply` takes the seed's reply for the new question. A sample whose question overlaps with a known one by
        a ROUGE-L above `max_overlap` is dropped.
        """
        ...

    async def contrast(self, iteration: int, failures: Sequence[Failure], k: int) -> list[Seed]:
        """Each failure with the `k` training samples whose questions are nearest to its own, among those that the model
        before the iteration got right. An unscored one is neither."""
        ...

    async def labelled_val(self) -> list[Sample]:
        """The samples of val, for a method whose record says that it is a reference; no other may have them."""
        ...

    async def repeat(self, iteration: int, train: Sequence[Sample]) -> list[Sample]:
        """Samples of `train` once more."""
        ...

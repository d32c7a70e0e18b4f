"""What the loop asks of a task: read an answer from a reply, tell failures, check synthetic samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple

from pada_ray.errors import DataError
from pada_ray.records import Message, Sample


class Check(NamedTuple):
    """What computing or executing says about a sample's own reference reply.

    `wrong`: something in it provably does not hold, so the sample should be dropped. `right`: its claims
    were computed or executed and all hold. `unknown`: nothing speaks against it, but its answer was not
    computed, so it still needs a judge.
    """

    verdict: Literal["right", "wrong", "unknown"]
    reason: str


class Task(ABC):
    """One kind of item and its measure. Stateless: an instance may be shared and sent to other processes."""

    name: ClassVar[str]
    metric: ClassVar[str]  # what 1 - mean(fails) is called in reports
    max_new_tokens: ClassVar[int]  # room for a reply, in tokens
    stop: ClassVar[tuple[str, ...]] = ()  # a reply ends before the first of these texts in it
    judged: ClassVar[bool] = False  # whether a judge's rating decides about replies; `fails` tells what needs none

    @abstractmethod
    def read(self, reply: str) -> str | None:
        """The answer that a reply gives, None if it gives none."""

    @abstractmethod
    def fails(self, reply: str, sample: Sample) -> bool:
        """Fail(ŷ, y, x) of section 2.1 of the paper.

        Raises:
            DataError: the sample's `answer` or `meta` is not what this task needs.
        """

    def fails_many(self, replies: Sequence[str], samples: Sequence[Sample]) -> list[bool]:
        """`fails` of each pair, in order; both arguments have the same length."""
        return [self.fails(reply, sample) for reply, sample in zip(replies, samples, strict=True)]

    @abstractmethod
    def answer_of(self, messages: Sequence[Message]) -> str | list[str] | None:
        """The `answer` field for a new sample that ends in this reply, None if it cannot be told."""

    @abstractmethod
    def check(self, sample: Sample) -> Check:
        """What can be computed or executed about the sample's own reference reply."""


def one_answer(sample: Sample) -> str:
    """The sample's `answer` where the task allows only one; DataError if it is empty or a list."""
    if not isinstance(sample.answer, str) or not sample.answer.strip():
        raise DataError(f"sample {sample.id}: task {sample.task} needs `answer` to be one non-empty string")
    return sample.answer

"""The interface of a task: reads answers from replies, detects failures, checks synthetic samples."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple

from typing_extensions import Self

from pada_ray.errors import DataError
from pada_ray.records import Message, Mistake, Sample
from pada_ray.tasks.knowledge import Knowledge

NOTHING = "nothing that can be read"  # the fact `given` of a reply without an answer


class Check(NamedTuple):
    """The result of computing or executing a sample's own reference reply.

    `wrong`: something in it is provably false, so the sample should be dropped. `right`: all its claims were
    computed or executed and hold. `unknown`: nothing speaks against it, but its answer was not computed, so it
    needs a judge.
    """

    verdict: Literal["right", "wrong", "unknown"]
    reason: str


class Task(ABC):
    """One kind of item, and what fails. Stateless but for what the run knows of it, which does not change: an instance
    may be shared and sent to other processes."""

    name: ClassVar[str]
    max_new_tokens: ClassVar[int]  # the limit for a reply
    stop: ClassVar[tuple[str, ...]] = ()  # a reply ends before the first of these texts
    judged: ClassVar[bool] = False  # whether a judge rates replies; `fails` then finds those that need no judge
    knowledge: Knowledge = Knowledge()

    def knowing(self, knowledge: Knowledge) -> Self:
        """The task with what a run knows of it."""
        task = copy.copy(self)
        task.knowledge = knowledge
        return task

    def learn(self, train: Sequence[Sample]) -> Knowledge:
        """What is known already, and what the training samples of this task show beyond it.

        Raises:
            DataError: the samples contradict what is known.
        """
        return self.knowledge

    def describe(self) -> str:
        """What an LLM must know of the task to write, analyse or verify a sample; "" if there is nothing to tell."""
        return ""

    @property
    def choices(self) -> list[str]:
        """Every reply there may be; empty where that is not known."""
        return []

    @property
    def reply_limit(self) -> int:
        """Most tokens of a reply."""
        return self.knowledge.reply_limit or self.max_new_tokens

    def own_texts(self, sample: Sample) -> list[str]:
        """What the answer has of this sample's own text. Labels, options and names of functions are nobody's own."""
        return []

    @abstractmethod
    def read(self, reply: str) -> str | None:
        """The answer in a reply, None if there is none."""

    @abstractmethod
    def fails(self, reply: str, sample: Sample) -> bool:
        """Fail(ŷ, y, x) of section 2.1 of the paper.

        Raises:
            DataError: the sample's `answer` or `meta` is not what this task needs.
        """

    def fails_many(self, replies: Sequence[str], samples: Sequence[Sample]) -> list[bool]:
        """`fails` for each pair, in order; both arguments have the same length."""
        return [self.fails(reply, sample) for reply, sample in zip(replies, samples, strict=True)]

    @abstractmethod
    def answer_of(self, messages: Sequence[Message]) -> str | list[str] | None:
        """The `answer` field of a new sample with these messages, None if it is unknown.

        Raises:
            ValueError: the reply has not the form of an answer, and why.
        """

    def is_bare(self, reply: str) -> bool:
        """Whether a reply is known to be an answer and nothing else, however `answer_of` would write it."""
        return False

    @abstractmethod
    def check(self, sample: Sample) -> Check:
        """Checks the sample's own reference reply by computing or executing it."""

    def chance(self, sample: Sample) -> float:
        """How likely a guess is right, 0 to 1."""
        return 0.0

    def facts(self, sample: Sample, reply: str) -> dict[str, str]:
        """What is known of a reply that fails, without any LLM: a short text by the name of each fact. The texts may
        quote the sample."""
        answers = [sample.answer] if isinstance(sample.answer, str) else sample.answer
        return {"expected": " | ".join(answers), "given": self.read(reply) or NOTHING}

    def mistakes(self, sample: Sample, facts: Mapping[str, str]) -> list[Mistake]:
        """Those of a reply's `facts` that name labels, functions, fields or kinds of error alone. The writer of new
        samples is told of them, so they must not quote the sample or the reply."""
        return []

    def kind(self, sample: Sample) -> str | None:
        """The label or function that a sample is about, for tasks that have such: what mistakes name."""
        return None


def one_answer(sample: Sample) -> str:
    """The sample's `answer`, for tasks that allow only one; DataError if it is empty or a list."""
    if not isinstance(sample.answer, str) or not sample.answer.strip():
        raise DataError(f"sample {sample.id}: task {sample.task} needs `answer` to be one non-empty string")
    return sample.answer

"""What a model takes for what: pairs of labels, and fields of JSON values, counted without any LLM."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from pada_ray.records import Failure
from pada_ray.tasks import Knowledge
from pada_ray.tasks.json import Json
from pada_ray.tasks.label import Label


class Confusion(NamedTuple):
    """`given` is `pada_ray.tasks.label.NO_LABEL` where the reply names no label."""

    expected: str
    given: str
    times: int


class FieldCounts(NamedTuple):
    """How often a field is in the answers, in the replies, and in both with the same value."""

    expected: int = 0
    given: int = 0
    right: int = 0

    @property
    def precision(self) -> float:
        """Share of the given values that are right, 0 to 1; nan where none is given."""
        return self.right / self.given if self.given else math.nan

    @property
    def recall(self) -> float:
        """Share of the expected values that are given, 0 to 1; nan where none is expected."""
        return self.right / self.expected if self.expected else math.nan

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall, 0 to 1."""
        both = self.expected + self.given
        return 2 * self.right / both if both else math.nan


def confused_pairs(failures: Iterable[Failure], knowledge: Knowledge) -> list[Confusion]:
    """The (expected, given) labels of the failures of task `label`, with how often each pair occurs; the most frequent
    first, and equally frequent ones by name."""
    task = Label().knowing(knowledge)
    facts = [task.facts(f.sample, f.reply) for f in failures if f.sample.task == Label.name and f.reply is not None]
    pairs = Counter((each["expected"], each["given"]) for each in facts)
    return [Confusion(*pair, count) for pair, count in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))]


def field_counts(replies: Iterable[Failure], knowledge: Knowledge) -> dict[str, FieldCounts]:
    """By field, over samples of task `json` with their replies, right ones too: what precision, recall and F1 are made
    of. Sorted by name."""
    task = Json().knowing(knowledge)
    totals: tuple[Counter[str], ...] = (Counter(), Counter(), Counter())
    for reply in replies:
        if reply.sample.task == Json.name and reply.reply is not None:
            for total, counts in zip(totals, task.field_counts(reply.sample, reply.reply), strict=True):
                total.update(counts)
    return {name: FieldCounts(*(total[name] for total in totals)) for name in sorted(set().union(*totals))}

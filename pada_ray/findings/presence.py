"""Accuracy on kinds of problem that are present, rare or absent in train: for the demo, whose kinds a rule can tell.

A method may do well on the whole because it writes what train lacks, or because it teaches better what train has.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from pada_ray.demo import domain
from pada_ray.records import Record

Presence = Literal["present", "rare", "absent"]
PRESENCES: tuple[Presence, ...] = get_args(Presence)
RARE = 0.02  # of train; a kind below this share is rare


class PresenceScore(Record):
    """How a model did on the items of the kinds of one presence. Unscored replies are left out."""

    items: int
    right: int

    @property
    def accuracy(self) -> float | None:
        """0 to 1; None without items."""
        return self.right / self.items if self.items else None


def presences(train: Iterable[str], questions: Mapping[str, str]) -> dict[str, Presence]:
    """For each of the `questions`, by item, how present its kind is among those of `train`. Items of no known kind are
    left out."""
    counts = Counter(kind for question in train if (kind := _kind(question)) is not None)
    kinds = {item: kind for item, question in questions.items() if (kind := _kind(question)) is not None}

    def presence(kind: str) -> Presence:
        return "absent" if not counts[kind] else "rare" if counts[kind] < RARE * counts.total() else "present"

    return {item: presence(kind) for item, kind in kinds.items()}


def scores_by_presence(known: Mapping[str, Presence], right: Mapping[str, bool]) -> dict[Presence, PresenceScore]:
    """The scores on a split; `right` says of its scored items whether the model got them right."""
    rows = {presence: [right[i] for i in known if known[i] == presence and i in right] for presence in PRESENCES}
    return {presence: PresenceScore(items=len(row), right=sum(row)) for presence, row in rows.items()}


@functools.cache  # the runs of a sweep share their items
def _kind(question: str) -> str | None:
    problem = domain.read(question)
    return problem.kind if problem else None

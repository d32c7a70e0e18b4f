"""How far a person and the judge agree about synthetic samples, where the run stopped for a review."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pada_ray.records import Candidate


class Agreement(NamedTuple):
    """Over the samples that both have rated."""

    rated: int
    person: float  # mean rating, 1 to 10
    judge: float
    within_one: float  # share, 0 to 1, of those whose two ratings are at most 1 point apart
    kappa: float | None
    """Cohen's kappa of passing: at or above the threshold. 1 is full agreement, 0 what chance gives. None where both
    pass all, or none, so that chance explains everything."""


def agreement(candidates: Iterable[Candidate], threshold: float) -> Agreement | None:
    """None where no sample has both ratings. A text that the person has edited is not the one that the judge rated, and
    does not count."""
    pairs = [
        (c.person.rating, c.ratings.overall)
        for c in candidates
        if c.ratings and c.person and c.person.rating is not None
    ]
    if not pairs:
        return None
    person, judge = (list(side) for side in zip(*pairs, strict=True))
    return Agreement(
        rated=len(pairs),
        person=sum(person) / len(pairs),
        judge=sum(judge) / len(pairs),
        within_one=sum(abs(mine - other) <= 1 for mine, other in pairs) / len(pairs),
        kappa=_kappa([rating >= threshold for rating in person], [rating >= threshold for rating in judge]),
    )


def _kappa(person: list[bool], judge: list[bool]) -> float | None:
    if len({*person, *judge}) == 1:
        return None
    from sklearn.metrics import cohen_kappa_score  # it takes seconds to load

    return float(cohen_kappa_score(person, judge))

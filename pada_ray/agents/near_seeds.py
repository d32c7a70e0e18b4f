"""Seeds near a strategy's failures: training samples of the kinds that were confused, each beside one of the kind that
it is confused with."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence

from pada_ray.records import MistakeCount, Sample, Seed
from pada_ray.tasks import Knowledge, get_task


def seeds_of_kinds(
    train: Sequence[Sample], mistakes: Iterable[MistakeCount], knowledge: Knowledge, rng: random.Random
) -> list[Seed]:
    """The training samples of the labels or functions that the mistakes name, in order; none where they name none that
    train has. Of a kind that was confused with another, each comes with a sample of that one as its contrast."""
    mistakes = list(mistakes)
    of_kind: dict[str, list[Sample]] = defaultdict(list)
    for sample in train:
        of_kind[get_task(sample.task, knowledge).kind(sample) or ""].append(sample)
    kinds = dict.fromkeys(kind for mistake in mistakes for kind in mistake.kinds if of_kind.get(kind))
    return [
        Seed(sample=sample, contrast=rng.choice(rivals) if (rivals := _rivals(kind, mistakes, of_kind)) else None)
        for kind in kinds
        for sample in of_kind[kind]
    ]


def _rivals(kind: str, mistakes: Iterable[MistakeCount], of_kind: dict[str, list[Sample]]) -> list[Sample]:
    """The samples of the kinds that a kind is confused with."""
    pairs = [mistake.kinds for mistake in mistakes if mistake.is_confusion and kind in mistake.kinds]
    others = dict.fromkeys(other for pair in pairs for other in pair if other != kind)
    return [sample for other in others for sample in of_kind.get(other, [])]

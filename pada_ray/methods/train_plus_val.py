"""A reference and no rival: what val's labels are worth as training data. Every method may look at val's failures, but
none may train on them; this one does nothing else. So it has no val to choose an iteration by, and is scored on test
alone."""

from __future__ import annotations

from collections.abc import Sequence

from pada_ray.methods.method import Method
from pada_ray.records import Sample
from pada_ray.steps import Steps


async def train_plus_val(train: Sequence[Sample], steps: Steps, max_iterations: int) -> int:
    await steps.fine_tune(0, train)
    await steps.evaluate(0)
    await steps.fine_tune(1, [*train, *await steps.labelled_val()])
    await steps.evaluate(1)
    return 1


METHOD = Method(train_plus_val, most_iterations=1, reference=True)

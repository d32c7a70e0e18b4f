"""Vanilla fine-tuning: the training set as it is."""

from __future__ import annotations

from collections.abc import Sequence

from pada_ray.methods.method import Method
from pada_ray.records import Sample
from pada_ray.steps import Steps


async def vanilla(train: Sequence[Sample], steps: Steps, max_iterations: int) -> int:
    """Fine-tunes once. There is nothing to iterate."""
    await steps.fine_tune(0, train)
    await steps.evaluate(0)
    return await steps.best_on_val()


METHOD = Method(vanilla, most_iterations=0)

"""LLMs-as-Instructors' LE shown the failures on val instead of those on train: what PaDA-Agent looks at, without its
patterns and strategies, under the same quality control.

The writer sees items of val, so their words must not come through: the leak guard screens every sample, as for all
methods.
"""

from __future__ import annotations

from collections.abc import Sequence

from pada_ray.methods.augmented import augmented_fine_tuning
from pada_ray.methods.method import Method
from pada_ray.records import Failure, Sample, Seed
from pada_ray.steps import Steps


async def val_errors(train: Sequence[Sample], steps: Steps, max_iterations: int) -> int:
    async def learn_from_errors(iteration: int, errors: list[Failure]) -> list[Sample]:
        return await steps.write(iteration, [Seed(sample=e.sample, wrong_reply=e.reply) for e in errors])

    return await augmented_fine_tuning(train, steps, max_iterations, learn_from_errors, learns_from="val")


METHOD = Method(val_errors, instruction="learning_from_errors", seeds="val", reviewed=True)

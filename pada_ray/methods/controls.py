"""Two controls: what new data give without any sign of an error, and what more training gives without new data."""

from __future__ import annotations

from collections.abc import Sequence

from pada_ray.methods.augmented import augmented_fine_tuning
from pada_ray.methods.method import Method
from pada_ray.records import Failure, Sample, Seed
from pada_ray.steps import Steps


async def similar(train: Sequence[Sample], steps: Steps, max_iterations: int) -> int:
    """Questions similar to training samples drawn at random, under the same quality control as PaDA-Agent's: what is
    left of its gain is due to looking at errors."""

    async def write_similar(iteration: int, _: list[Failure]) -> list[Sample]:
        return await steps.write(iteration, [Seed(sample=s) for s in train])

    return await augmented_fine_tuning(train, steps, max_iterations, write_similar)


async def more_steps(train: Sequence[Sample], steps: Steps, max_iterations: int) -> int:
    """The training set with samples of its own repeated, so that the optimiser takes as many steps as on the grown
    set."""

    async def repeat(iteration: int, _: list[Failure]) -> list[Sample]:
        return await steps.repeat(iteration, train)

    return await augmented_fine_tuning(train, steps, max_iterations, repeat)


SIMILAR = Method(similar, instruction="similar_questions", reviewed=True)
MORE_STEPS = Method(more_steps)

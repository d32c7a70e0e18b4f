"""LLMs-as-Instructors (Ying et al., arXiv 2407.00497): an instructor writes data against the training errors.

LE, learning from error, shows the question and the wrong reply; LEC, learning from error by contrast, also shows the
three most similar questions that the model got right. Its own code trains on the synthetic data alone; here they are
added to the training set, as for every method. It filters exact repetitions only.
"""

from __future__ import annotations

from collections.abc import Sequence

from pada_ray.methods.augmented import augmented_fine_tuning
from pada_ray.methods.method import Method
from pada_ray.records import Failure, Sample, Seed
from pada_ray.steps import Steps

CONTRASTS = 3


async def llms_as_instructors(train: Sequence[Sample], steps: Steps, max_iterations: int) -> int:
    """LE."""

    async def learn_from_errors(iteration: int, errors: list[Failure]) -> list[Sample]:
        seeds = [Seed(sample=e.sample, wrong_reply=e.reply) for e in errors]
        return await steps.write(iteration, seeds)

    return await augmented_fine_tuning(train, steps, max_iterations, learn_from_errors, learns_from="train")


async def llms_as_instructors_lec(train: Sequence[Sample], steps: Steps, max_iterations: int) -> int:
    """LEC."""

    async def learn_by_contrast(iteration: int, errors: list[Failure]) -> list[Sample]:
        seeds = await steps.contrast(iteration, errors, CONTRASTS)
        return await steps.write(iteration, seeds)

    return await augmented_fine_tuning(train, steps, max_iterations, learn_by_contrast, learns_from="train")


LE = Method(llms_as_instructors, instruction="learning_from_errors")
LEC = Method(llms_as_instructors_lec, contrasts=True, instruction="learning_from_errors")

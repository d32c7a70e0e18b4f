"""AugGPT (Dai et al., arXiv 2302.13007): rephrase training samples, whatever the model gets wrong.

Its own code writes six rephrasings of every sample, once, and filters nothing. To match sizes, one rephrasing of as
many samples as the iteration adds. Each iteration draws from all of them anew, and so does each round within it; in one
round none is drawn twice before all were.
"""

from __future__ import annotations

from collections.abc import Sequence

from pada_ray.methods.augmented import augmented_fine_tuning
from pada_ray.methods.method import Method
from pada_ray.records import Failure, Sample, Seed
from pada_ray.steps import Steps


async def auggpt(train: Sequence[Sample], steps: Steps, max_iterations: int) -> int:
    """The question in other words; the reply stays."""

    async def rephrase(iteration: int, _: list[Failure]) -> list[Sample]:
        return await steps.write(iteration, [Seed(sample=s) for s in train], keep_reply=True)

    return await augmented_fine_tuning(train, steps, max_iterations, rephrase)


METHOD = Method(auggpt, instruction="rephrasing")

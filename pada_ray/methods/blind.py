"""A writer as good as PaDA-Agent's that looks at no failure: strategies drafted from training samples, then the same
generator and quality control. What PaDA-Agent gains over it is due to looking at failures."""

from __future__ import annotations

from collections.abc import Sequence

from pada_ray.methods.augmented import augmented_fine_tuning
from pada_ray.methods.method import Method
from pada_ray.records import Failure, Sample
from pada_ray.steps import Steps


async def blind(train: Sequence[Sample], steps: Steps, max_iterations: int) -> int:
    async def write_by_strategies(iteration: int, _: list[Failure]) -> list[Sample]:
        strategies = await steps.blind_strategy_drafting(iteration)
        return await steps.generate(iteration, strategies, [])

    return await augmented_fine_tuning(train, steps, max_iterations, write_by_strategies)


METHOD = Method(blind, instruction="pattern_generation", reviewed=True, drafts_blindly=True)

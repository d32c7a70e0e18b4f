"""The frame that the baselines share: fine-tune, evaluate, add data, fine-tune on the grown set, and again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from pada_ray.records import Failure, Sample
from pada_ray.steps import Steps


async def augmented_fine_tuning(
    train: Sequence[Sample],
    steps: Steps,
    max_iterations: int,
    augment: Callable[[int, list[Failure]], Awaitable[list[Sample]]],
) -> int:
    """Adds what `augment` gives for an iteration and the training errors of the model before it.

    The same iterations and the same growth as `pada_agent`, so that methods differ in the data alone.
    """
    synthetic: list[Sample] = []
    await steps.fine_tune(0, train)
    train_failures, _ = await steps.evaluate(0)
    for iteration in range(1, max_iterations + 1):
        synthetic += await augment(iteration, train_failures)
        await steps.fine_tune(iteration, [*train, *synthetic])
        train_failures, _ = await steps.evaluate(iteration)
    return await steps.best_on_val()

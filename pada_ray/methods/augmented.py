"""The frame that the baselines share: fine-tune, evaluate, add data, fine-tune on the grown set, and again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from pada_ray.records import Failure, Sample
from pada_ray.steps import Steps


async def augmented_fine_tuning(
    train: Sequence[Sample],
    steps: Steps,
    max_iterations: int,
    augment: Callable[[int, list[Failure]], Awaitable[list[Sample]]],
    learns_from: Literal["train", "val"] | None = None,
) -> int:
    """Adds what `augment` gives for an iteration and the failures of the model before it on the split that the method
    `learns_from`: where that is train and there are none, the training samples that are hardest for the model.

    The same iterations and the same growth as `pada_agent`, so that methods differ in the data alone.
    """
    synthetic: list[Sample] = []
    await steps.fine_tune(0, train)
    train_failures, val_failures = await steps.evaluate(0)
    for iteration in range(1, max_iterations + 1):
        errors = {"train": train_failures, "val": val_failures, None: []}[learns_from]
        if learns_from == "train" and not errors:
            errors = await steps.hardest(iteration)
        synthetic += await augment(iteration, errors)
        await steps.fine_tune(iteration, [*train, *synthetic])
        train_failures, val_failures = await steps.evaluate(iteration)
    return await steps.best_on_val()

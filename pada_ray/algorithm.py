"""Algorithm 1 of arXiv 2510.18143 (appendix B), in its order and words.

Each step is a method of `Steps`; where and how it runs is the orchestrator's business.
"""

from __future__ import annotations

from collections.abc import Sequence

from pada_ray.records import Sample
from pada_ray.steps import Steps


async def pada_agent(train: Sequence[Sample], steps: Steps, max_iterations: int) -> int:
    """Runs PaDA-Agent on 𝒟_train and returns the iteration whose model did best on 𝒟_val (the paper: the last one).

    𝒟_syn grows over the iterations: accepted data are added to the training set (section 2.1).
    """
    synthetic: list[Sample] = []

    # Initial fine-tuning
    await steps.fine_tune(0, train)
    train_failures, val_failures = await steps.evaluate(0)

    # Iterative improvement
    for iteration in range(1, max_iterations + 1):
        # Pattern Analysis Agent
        analyses = await steps.error_analysis(iteration, val_failures)
        clusters = await steps.cluster(iteration, analyses)
        patterns = await steps.pattern_categorization(iteration, clusters)
        strategies = await steps.strategy_drafting(iteration, patterns)

        # Data Generation Agent, with the Quality Control Agent sending back what is poor
        synthetic += await steps.generate(iteration, strategies, train_failures)

        # Model update
        await steps.fine_tune(iteration, [*train, *synthetic])

        # Evaluations, for the next iteration and for the choice of the best
        train_failures, val_failures = await steps.evaluate(iteration)

    # Beyond the paper: what the last model still gets wrong, for the reader alone
    await steps.find_what_is_left(max_iterations + 1, val_failures)

    return await steps.best_on_val()

"""LLM2LLM (Lee et al., arXiv 2403.15042): new samples from the seed samples that the model gets wrong.

Errors on synthetic samples do not count, the wrong reply is not shown, and a question that nearly repeats a known one
is dropped. Its own code writes one sample per error and step; to match sizes, errors are drawn until the iteration's
number is reached. In one round none is drawn twice before all were; a later round draws from all again.
"""

from __future__ import annotations

from collections.abc import Sequence

from pada_ray.methods.augmented import augmented_fine_tuning
from pada_ray.methods.method import Method
from pada_ray.records import Failure, Sample, Seed
from pada_ray.steps import Steps

MAX_ROUGE_L = 0.95


async def llm2llm(train: Sequence[Sample], steps: Steps, max_iterations: int) -> int:
    async def write_for_errors(iteration: int, errors: list[Failure]) -> list[Sample]:
        seeds = [Seed(sample=e.sample) for e in errors]
        return await steps.write(iteration, seeds, max_overlap=MAX_ROUGE_L)

    return await augmented_fine_tuning(train, steps, max_iterations, write_for_errors, learns_from="train")


METHOD = Method(llm2llm, instruction="llm2llm")

"""The stages that a run goes through."""

from __future__ import annotations

from pada_ray.config import Config
from pada_ray.methods import METHODS

_PATTERNS = ("error analysis", "clustering", "pattern categorization")


def planned_stages(config: Config, judged: bool) -> list[str]:
    """The names of the stages that a run goes through, in order. `judged`: a judge decides what fails."""
    evaluation = ("evaluation", "grading") if judged else ("evaluation",)
    model = ("fine-tuning", *evaluation)
    stages = [f"base: {kind}" for kind in evaluation] + [f"iteration-0: {kind}" for kind in model]
    method = METHODS[config.method]
    iterations = method.iterations(config.iterations)
    if not iterations:
        return stages
    patterns = _PATTERNS if method.finds_patterns and config.pattern_analysis.enabled else ()
    strategies = ("strategy drafting",) if patterns or method.drafts_blindly else ()
    generation = ("data generation",) if method.instructions else ()
    kinds = (*patterns, *strategies, *generation, *model)
    stages += [f"iteration-{i}: {kind}" for i in range(1, iterations + 1) for kind in kinds]
    left = patterns if config.pattern_analysis.of_last_model else ()
    return stages + [f"iteration-{iterations + 1}: {kind}" for kind in left]

"""The stages that a run goes through."""

from __future__ import annotations

from pada_ray.config import Config
from pada_ray.methods import METHODS
from pada_ray.runs import run_files
from pada_ray.runs.stage_names import PATTERN_KINDS, Kind, stage_name


def planned_stages(config: Config, judged: bool) -> list[str]:
    """The names of the stages that a run goes through, in order. `judged`: a judge decides what fails."""
    evaluation: tuple[Kind, ...] = ("evaluation", "grading") if judged else ("evaluation",)
    model: tuple[Kind, ...] = ("fine-tuning", *evaluation)
    stages = [stage_name(run_files.BASE, kind) for kind in evaluation]
    stages += [stage_name(run_files.model(0), kind) for kind in model]
    method = METHODS[config.method]
    iterations = method.iterations(config.iterations)
    if not iterations:
        return stages
    patterns = PATTERN_KINDS if method.finds_patterns and config.pattern_analysis.enabled else ()
    strategies: tuple[Kind, ...] = ("strategy drafting",) if patterns or method.drafts_blindly else ()
    generation: tuple[Kind, ...] = ("data generation",) if method.instructions else ()
    kinds = (*patterns, *strategies, *generation, *model)
    stages += [stage_name(run_files.model(i), kind) for i in range(1, iterations + 1) for kind in kinds]
    left = patterns if config.pattern_analysis.of_last_model else ()
    return stages + [stage_name(run_files.model(iterations + 1), kind) for kind in left]

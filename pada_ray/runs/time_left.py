"""How much of a run is left, told from the stages that it has finished."""

from __future__ import annotations

from pada_ray.config import Config
from pada_ray.methods import METHODS
from pada_ray.runs.state import RunState

_PATTERNS = ("error analysis", "clustering", "pattern categorization")


def seconds_left(state: RunState, config: Config, stage_seconds: float) -> tuple[float, bool]:
    """Seconds until the run ends, and whether that is only a lower bound, because some kind of stage has not been
    seen yet. A stage to come is taken to last as long as the last one of its kind; `stage_seconds` have passed in
    the current one."""
    planned = planned_stages(config, state.judged)
    kinds = {name: name.partition(": ")[2] for name in [*planned, *state.finished]}
    last = {kinds[name]: stage.seconds for name, stage in state.finished.items()}
    left, bound = 0.0, False
    for name in planned:
        if name in state.finished:
            continue
        expected = last.get(kinds[name])
        if expected is None:
            bound = True
            continue
        passed = stage_seconds if name == state.stage else 0.0
        left += max(0.0, expected - passed)
    return left, bound


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

"""How much of a run is left, told from the stages that it has finished."""

from __future__ import annotations

from pada_ray.state import RunState

# The stages of one iteration after the first, in order. Iteration 0 has only the last two.
_LATER = (
    "error analysis",
    "clustering",
    "pattern categorization",
    "strategy drafting",
    "data generation",
    "fine-tuning",
    "evaluation",
)


def seconds_left(state: RunState, iterations: int, stage_seconds: float) -> tuple[float, bool]:
    """Seconds until the run ends, and whether that is only a lower bound, because some kind of stage has not been
    seen yet. A stage to come is taken to last as long as the last one of its kind; `stage_seconds` have passed in
    the current one."""
    kinds = {name: name.partition(": ")[2] for name in [*_planned(iterations), *state.finished]}
    last = {kinds[name]: stage.seconds for name, stage in state.finished.items()}
    left, bound = 0.0, False
    for name in _planned(iterations):
        if name in state.finished:
            continue
        expected = last.get(kinds[name])
        if expected is None:
            bound = True
            continue
        passed = stage_seconds if name == state.stage else 0.0
        left += max(0.0, expected - passed)
    return left, bound


def _planned(iterations: int) -> list[str]:
    first = ["base: evaluation", "iteration-0: fine-tuning", "iteration-0: evaluation"]
    return first + [f"iteration-{i}: {kind}" for i in range(1, iterations + 1) for kind in _LATER]

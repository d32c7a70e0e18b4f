"""What a run cost: its calls by purpose, its time by stage."""

from __future__ import annotations

from collections.abc import Iterable

from pada_ray.llm.chat import Usage
from pada_ray.methods import INSTRUCTIONS
from pada_ray.report.results import Run
from pada_ray.runs.stage_names import parts_of

_STAGES = {
    "error_analysis": "error analysis",
    "pattern_categorization": "pattern categorization",
    "strategy_drafting": "strategy drafting",
    "blind_strategy_drafting": "strategy drafting",
    "quality_control": "data generation",
    "answering": "data generation",
    "grading": "grading",
} | dict.fromkeys(INSTRUCTIONS, "data generation")


def of_generator(usage: Iterable[Usage]) -> list[Usage]:
    """The calls that wrote synthetic samples."""
    return [u for u in usage if u.purpose in INSTRUCTIONS]


def stage_of(purpose: str) -> str:
    """The stage in which calls for a purpose are made; empty for an unknown purpose."""
    return _STAGES.get(purpose, "")


def seconds_by_stage(run: Run) -> dict[str, dict[str, float]]:
    """Seconds by stage, such as `fine-tuning`, and by model, in the order in which they were first done."""
    seconds: dict[str, dict[str, float]] = {}
    for name, stage in run.state.finished.items():
        model, kind = parts_of(name)
        seconds.setdefault(kind, {})[model] = stage.seconds
    return seconds


def seconds(run: Run) -> float:
    """The seconds of all stages."""
    return sum(stage.seconds for stage in run.state.finished.values())

"""Which settings of a run may still change: those of stages that it has not come to."""

from __future__ import annotations

from collections.abc import Sequence

from pada_ray.config import CHANGEABLE, Config
from pada_ray.errors import ConfigError
from pada_ray.runs.planned_stages import planned_stages
from pada_ray.runs.stage_names import PATTERN_KINDS, Kind, parts_of
from pada_ray.runs.state import RunState

# Methods that ask no LLM add samples by fine-tuning on them.
_NEW_SAMPLES: tuple[Kind, ...] = ("data generation", "fine-tuning")
STAGES: dict[str, tuple[Kind, ...]] = {
    "pattern_analysis": (*PATTERN_KINDS, "strategy drafting", *_NEW_SAMPLES),
    "data_generation": _NEW_SAMPLES,
    "quality_control": _NEW_SAMPLES,
}
"""Section of the config -> the kinds of stages, of iteration 1 and later, that depend on it."""


def check_section(section: str, override: str) -> None:
    """Raises ConfigError for a section of the config that may never change after a run has started."""
    if section not in CHANGEABLE and section not in STAGES:
        raise ConfigError(
            f"--set {override}: a run keeps its settings; only llm, budget, shared_disk, tracking, review and stop_if "
            f"may change, and {', '.join(STAGES)} until the first of their stages has begun"
        )


def check_not_begun(section: str, override: str, config: Config, state: RunState) -> None:
    """Raises ConfigError if a stage that depends on the section has begun."""
    if section in CHANGEABLE:
        return
    stage = first_begun(section, planned_stages(config, state.judged), state)
    if stage is not None:
        raise ConfigError(
            f"--set {override}: a run keeps its settings, and {stage}, which depends on {section}, has begun; start "
            "another run for other settings"
        )


def first_begun(section: str, planned: Sequence[str], state: RunState) -> str | None:
    """The first stage that depends on a section and has begun, in the order of `planned`."""
    mine = [stage for stage in planned if _depends(stage, section)]
    return next((stage for stage in mine if stage in state.finished or stage == state.stage), None)


def _depends(stage: str, section: str) -> bool:
    model, kind = parts_of(stage)
    return kind in STAGES[section] and model not in ("base", "iteration-0")

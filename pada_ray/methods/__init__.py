"""The methods by name: PaDA-Agent, what it is compared with, and two controls. Ablations are switches of the config."""

from __future__ import annotations

from pada_ray.methods import auggpt, controls, llm2llm, llms_as_instructors, pada, vanilla
from pada_ray.methods.method import Method

__all__ = ["INSTRUCTIONS", "METHODS", "Method"]

METHODS: dict[str, Method] = {
    "pada": pada.METHOD,
    "vanilla": vanilla.METHOD,
    "auggpt": auggpt.METHOD,
    "llms_as_instructors": llms_as_instructors.LE,
    "llms_as_instructors_lec": llms_as_instructors.LEC,
    "llm2llm": llm2llm.METHOD,
    "similar": controls.SIMILAR,
    "more_steps": controls.MORE_STEPS,
}

INSTRUCTIONS: tuple[str, ...] = tuple(dict.fromkeys(i for m in METHODS.values() for i in m.instructions))
"""The prompts by which new samples are written."""

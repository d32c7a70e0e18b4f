"""The methods by name: PaDA-Agent, what it is compared with, and two controls. Ablations are switches of the config."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from pada_ray.algorithm import pada_agent
from pada_ray.methods.auggpt import auggpt
from pada_ray.methods.controls import more_steps, similar
from pada_ray.methods.llm2llm import llm2llm
from pada_ray.methods.llms_as_instructors import llms_as_instructors, llms_as_instructors_lec
from pada_ray.methods.vanilla import vanilla
from pada_ray.records import Sample
from pada_ray.steps import Steps

MethodName = Literal[
    "pada",
    "vanilla",
    "auggpt",
    "llms_as_instructors",
    "llms_as_instructors_lec",
    "llm2llm",
    "similar",
    "more_steps",
]

METHODS: dict[MethodName, Callable[[Sequence[Sample], Steps, int], Awaitable[int]]] = {
    "pada": pada_agent,
    "vanilla": vanilla,
    "auggpt": auggpt,
    "llms_as_instructors": llms_as_instructors,
    "llms_as_instructors_lec": llms_as_instructors_lec,
    "llm2llm": llm2llm,
    "similar": similar,
    "more_steps": more_steps,
}

"""The methods by name: PaDA-Agent, what it is compared with, controls and a reference. Ablations are switches of the
config."""

from __future__ import annotations

import pkgutil

from pada_ray.methods.method import Method

__all__ = ["INSTRUCTIONS", "METHODS", "Method"]

_RECORDS = {
    "pada": "pada_ray.methods.pada:METHOD",
    "vanilla": "pada_ray.methods.vanilla:METHOD",
    "auggpt": "pada_ray.methods.auggpt:METHOD",
    "llms_as_instructors": "pada_ray.methods.llms_as_instructors:LE",
    "llms_as_instructors_lec": "pada_ray.methods.llms_as_instructors:LEC",
    "llm2llm": "pada_ray.methods.llm2llm:METHOD",
    "blind": "pada_ray.methods.blind:METHOD",
    "val_errors": "pada_ray.methods.val_errors:METHOD",
    "similar": "pada_ray.methods.controls:SIMILAR",
    "more_steps": "pada_ray.methods.controls:MORE_STEPS",
    "train_plus_val": "pada_ray.methods.train_plus_val:METHOD",
}

METHODS: dict[str, Method] = {name: pkgutil.resolve_name(record) for name, record in _RECORDS.items()}

INSTRUCTIONS: tuple[str, ...] = tuple(dict.fromkeys(i for m in METHODS.values() for i in m.instructions))
"""The prompts by which new samples are written."""

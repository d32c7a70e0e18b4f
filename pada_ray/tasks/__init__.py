"""The tasks by name."""

from __future__ import annotations

import importlib

from pada_ray.errors import ConfigError
from pada_ray.tasks.base import Check, Task
from pada_ray.tasks.code import Code
from pada_ray.tasks.extractive_qa import ExtractiveQA
from pada_ray.tasks.math import Math
from pada_ray.tasks.multiple_choice import MultipleChoice

__all__ = ["TASKS", "Check", "Task", "get_task"]

TASKS: dict[str, type[Task]] = {
    "math": Math,
    "multiple_choice": MultipleChoice,
    "extractive_qa": ExtractiveQA,
    "code": Code,
}


def get_task(name: str) -> Task:
    """The task of this name, or of a user's own class given as `module:Class`.

    Raises:
        ConfigError: no such task, or the class cannot be imported or is not a Task.
    """
    if name in TASKS:
        return TASKS[name]()
    if ":" not in name:
        raise ConfigError(f"task {name!r} is unknown; use one of {', '.join(TASKS)}, or module:Class")
    module_name, class_name = name.split(":", 1)
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError, ValueError) as err:
        raise ConfigError(f"task {name!r} cannot be imported: {err}; use module:Class") from err
    if not (isinstance(found, type) and issubclass(found, Task)):
        raise ConfigError(f"task {name!r} is not a class derived from pada_ray.tasks.Task")
    try:
        task: Task = found()
    except TypeError as err:
        raise ConfigError(f"task {name!r} cannot be made without arguments: {err}") from err
    return task

"""The tasks by name."""

from __future__ import annotations

import functools
import importlib
from importlib.metadata import EntryPoint, entry_points

from pada_ray.errors import ConfigError
from pada_ray.tasks.base import Check, Task
from pada_ray.tasks.code import Code
from pada_ray.tasks.extractive_qa import ExtractiveQA
from pada_ray.tasks.judged import Judged
from pada_ray.tasks.math import Math
from pada_ray.tasks.multiple_choice import MultipleChoice

__all__ = ["TASKS", "Check", "Task", "get_task"]

TASKS: dict[str, type[Task]] = {
    "math": Math,
    "multiple_choice": MultipleChoice,
    "extractive_qa": ExtractiveQA,
    "code": Code,
    "judged": Judged,
}
ENTRY_POINTS = "pada_ray.tasks"  # the group in which an installed package names its tasks


def get_task(name: str) -> Task:
    """The task of this name: built in, an entry point of an installed package, or a class as `module:Class`.

    Raises:
        ConfigError: no such task, or the class cannot be imported or is not a Task.
    """
    if name in TASKS:
        return TASKS[name]()
    if name not in _installed() and ":" not in name:
        known = ", ".join([*TASKS, *_installed()])
        raise ConfigError(f"task {name!r} is unknown; use one of {known}, or module:Class")
    try:
        found = _found(name)
    except (ImportError, AttributeError, ValueError) as err:
        raise ConfigError(f"task {name!r} cannot be imported: {err}; use module:Class") from err
    if not (isinstance(found, type) and issubclass(found, Task)):
        raise ConfigError(f"task {name!r} is not a class derived from pada_ray.tasks.Task")
    try:
        task: Task = found()
    except TypeError as err:
        raise ConfigError(f"task {name!r} cannot be created without arguments: {err}") from err
    return task


def _found(name: str) -> object:
    if name in _installed():
        return _installed()[name].load()
    module_name, class_name = name.split(":", 1)
    return getattr(importlib.import_module(module_name), class_name)


@functools.cache  # called for every line of a file; a scan of all packages is slow
def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}

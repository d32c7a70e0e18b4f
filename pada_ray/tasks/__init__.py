"""The tasks by name."""

from __future__ import annotations

import functools
import pkgutil
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points

from pada_ray.errors import ConfigError
from pada_ray.records import Sample
from pada_ray.tasks.base import Check, Task
from pada_ray.tasks.knowledge import Knowledge

__all__ = ["TASKS", "Check", "Knowledge", "Task", "check_named_by_data", "choices_of", "get_task", "learn"]

TASKS = {
    "math": "pada_ray.tasks.math:Math",
    "multiple_choice": "pada_ray.tasks.multiple_choice:MultipleChoice",
    "extractive_qa": "pada_ray.tasks.extractive_qa:ExtractiveQA",
    "code": "pada_ray.tasks.code:Code",
    "label": "pada_ray.tasks.label:Label",
    "json": "pada_ray.tasks.json:Json",
    "exact": "pada_ray.tasks.exact:Exact",
    "judged": "pada_ray.tasks.judged:Judged",
}
ENTRY_POINTS = "pada_ray.tasks"  # the group in which an installed package names its tasks


def learn(train: Sequence[Sample], given: Knowledge) -> Knowledge:
    """What a run knows of its tasks: what the config gives, and what the training samples show beyond it.

    Raises:
        DataError: the samples contradict what the config gives.
    """
    known = given
    for name in dict.fromkeys(sample.task for sample in train):
        known = get_task(name, known).learn([sample for sample in train if sample.task == name])
    return known


def choices_of(samples: Iterable[Sample], knowledge: Knowledge) -> list[str]:
    """Every reply that samples of one task may have; empty where that is not known, or where tasks are mixed."""
    names = {sample.task for sample in samples}
    return get_task(names.pop(), knowledge).choices if len(names) == 1 else []


def get_task(name: str, knowledge: Knowledge | None = None) -> Task:
    """The task of this name: built in, an entry point of an installed package, or a class as `module:Class`; with what
    the run knows of it.

    Raises:
        ConfigError: no such task, or the class cannot be imported or is not a Task.
    """
    if name not in TASKS and ":" not in name and name not in _installed():
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
    return task if knowledge is None else task.knowing(knowledge)


def check_named_by_data(name: str, own: str | None) -> None:
    """Checks the name of a task that stands in data: to look up any other name imports code, and who writes data may
    not choose what is imported.

    Args:
        own: the task that the user named, in the config or on the command line.

    Raises:
        ConfigError: the name is neither a built-in task's nor `own`.
    """
    if name not in TASKS and name != own:
        raise ConfigError(
            f"task {name!r} is unknown: a line of data may name {', '.join(TASKS)}, or the task that the config "
            "names (data.task)"
        )


@functools.cache  # called for every line of a file
def _found(name: str) -> object:
    place = TASKS.get(name, name)
    return pkgutil.resolve_name(place) if ":" in place else _installed()[name].load()


@functools.cache  # a scan of all packages is slow
def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}

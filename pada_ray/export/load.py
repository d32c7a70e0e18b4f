"""A run's model, ready to reply."""

from __future__ import annotations

from typing import NamedTuple

from pada_ray.export.chosen import Chosen
from pada_ray.runs import run_files
from pada_ray.student.evaluation_job import reply_limit
from pada_ray.student.model import Student
from pada_ray.tasks import Task, get_task


def load_student(chosen: Chosen) -> Student:
    """The model as the run evaluates it. Raises ConfigError where its base model cannot be loaded."""
    with chosen.run.folder.local_copy(chosen.adapter) as adapter:
        return Student(chosen.run.config.student, adapter)


class ReplyEnds(NamedTuple):
    """What ends a reply beside the student itself."""

    most: int
    """Tokens."""
    stop: tuple[str, ...]
    """It ends before the first of these texts."""


def reply_ends(chosen: Chosen) -> ReplyEnds:
    """What ends a reply as it does in the run; of a run with several tasks the longest limit, and no text. Raises
    ConfigError where a task of the run is not here."""
    tasks = _tasks(chosen)
    return ReplyEnds(reply_limit(chosen.run.config.evaluation, tasks), tasks[0].stop if len(tasks) == 1 else ())


def reply_choices(chosen: Chosen) -> list[str]:
    """All that the student can reply in the run (`evaluation.constrained_decoding`); empty where that is anything, as
    in a run with several tasks."""
    tasks = _tasks(chosen) if chosen.run.config.evaluation.constrained_decoding else []
    return tasks[0].choices if len(tasks) == 1 else []


def _tasks(chosen: Chosen) -> list[Task]:
    folder = chosen.run.folder
    samples = run_files.read_samples(folder, chosen.run.config.data.task)
    knowledge = run_files.read_knowledge(folder)
    return [get_task(name, knowledge) for name in {s.task for members in samples.values() for s in members}]

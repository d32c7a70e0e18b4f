"""A run's model, ready to reply."""

from __future__ import annotations

from pada_ray.export.chosen import Chosen
from pada_ray.records import Sample
from pada_ray.runs import run_files
from pada_ray.student.model import Student
from pada_ray.tasks import get_task

_MOST = 512  # tokens of a reply, where the run does not tell


def load_student(chosen: Chosen) -> Student:
    """The model as the run evaluates it. Raises ConfigError where its base model cannot be loaded."""
    with chosen.run.folder.local_copy(chosen.adapter) as adapter:
        return Student(chosen.run.config.student, adapter)


def most_new_tokens(chosen: Chosen) -> int:
    """The most tokens of a reply in the run."""
    file = run_files.split("val")
    samples = chosen.run.folder.read_records(file, Sample) if chosen.run.folder.exists(file) else []
    tasks = {sample.task for sample in samples}
    own = max((get_task(task).max_new_tokens for task in tasks), default=_MOST)
    return chosen.run.config.evaluation.max_new_tokens or own

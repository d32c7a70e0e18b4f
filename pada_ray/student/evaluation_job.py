"""What an evaluation asks of a backend, and what comes back."""

from __future__ import annotations

from collections.abc import Sequence

from pada_ray.config import EvaluationConfig, StudentConfig
from pada_ray.records import Record, Split
from pada_ray.tasks import Knowledge

# Ray restarts a lost worker so many times. Ray Data by itself would restart it for ever, as where memory does not hold
# the model.
LOST_WORKERS = {"max_restarts": 3, "max_task_retries": 3}


class EvaluationJob(Record):
    run: str  # the run's folder
    splits: dict[Split, str]  # files of samples in it
    adapter: str | None  # folder in it; None evaluates the base model
    student: StudentConfig
    settings: EvaluationConfig
    knowledge: Knowledge = Knowledge()  # what the run knows of its task
    resident: str | None = None  # the Ray actor, a ResidentStudent, that is to reply; None: workers of its own


class EvaluationReply(Record):
    position: int
    text: str
    truncated: bool


def cut(reply: str, stop: Sequence[str]) -> str:
    """The reply up to the first of the `stop` texts in it."""
    ends = [at for at in (reply.find(text) for text in stop) if at >= 0]
    return reply[: min(ends)].rstrip() if ends else reply

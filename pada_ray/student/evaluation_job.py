"""What an evaluation asks of a backend, and what comes back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pada_ray.config import EvaluationConfig, StudentConfig
from pada_ray.records import Record, Split
from pada_ray.tasks import Knowledge, Task

# Ray restarts a lost worker so many times. Ray Data by itself would restart it for ever, as where memory does not hold
# the model.
LOST_WORKERS = {"max_restarts": 3, "max_task_retries": 3}
UNKNOWN_LIMIT = 512  # tokens of a reply, where neither the config nor a task tells


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


def reply_limit(settings: EvaluationConfig, tasks: Iterable[Task]) -> int:
    """Most tokens of a reply to any of the tasks: what the config says, else the longest of their own limits."""
    return settings.max_new_tokens or max((task.reply_limit for task in tasks), default=UNKNOWN_LIMIT)


def cut(reply: str, stop: Sequence[str]) -> str:
    """The reply up to the first of the `stop` texts in it."""
    ends = [at for at in (reply.find(text) for text in stop) if at >= 0]
    return reply[: min(ends)].rstrip() if ends else reply

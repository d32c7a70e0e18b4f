"""What a long stage tells of itself while it goes on, for whoever watches the run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from pada_ray.records import Record
from pada_ray.runs import run_files

_PAUSE_S = 1.0  # between two messages at least


class StageProgress(Record):
    """How far a stage has come. A pace comes with the second message: the first tells when the work began in earnest,
    after the model was loaded."""

    stage: str
    done: int
    total: int
    unit: str  # of both: steps, or samples
    per_second: float | None = None
    loss: float | None = None  # of the last step


class StageTeller:
    """Sends a stage's progress about once a second, and waits for nobody. A message that gets lost is no loss."""

    def __init__(self, stage: str, unit: str, send: Callable[[StageProgress], None]):
        self._stage = stage
        self._unit = unit
        self._send = send
        self._first: tuple[float, int] | None = None  # when, and what was done
        self._last = -_PAUSE_S

    def tell(self, done: int, total: int, loss: float | None = None) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now, done
        if now - self._last < _PAUSE_S and done < total:
            return
        self._last = now
        seconds, more = now - self._first[0], done - self._first[1]
        pace = more / seconds if more > 0 and seconds > 0 else None
        told = StageProgress(stage=self._stage, done=done, total=total, unit=self._unit, per_second=pace, loss=loss)
        self._send(told)


def teller_of(run: str, stage: str, unit: str) -> StageTeller:
    """Tells the orchestrator of the run in a folder, wherever on the cluster it is. Without one it tells nobody."""
    import ray

    name = run_files.actor_name(run, "orchestrator")

    def send(told: StageProgress) -> None:
        # There is none in `pada evaluate`, or it is coming back.
        with contextlib.suppress(ValueError, ray.exceptions.RayError):
            ray.get_actor(name).take_progress.remote(told)

    return StageTeller(stage, unit, send)

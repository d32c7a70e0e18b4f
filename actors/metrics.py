"""What a run tells Ray's metrics; docs/observing.md has the list.

Each object records in the actor that it is handed to. Every ten seconds Ray exports what processes have recorded, under
names with `ray_` before them.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter as Count
from collections.abc import Iterator

from ray.util.metrics import Counter, Gauge, Histogram

from pada_ray.llm.call_watch import CallWatch
from pada_ray.runs import run_files
from pada_ray.runs.event_log import Event

_WAITS = [0.1, 0.3, 1, 3, 10, 30, 100, 300]  # seconds
_REFRESH = 5.0  # seconds


class LastingGauge:
    """A gauge whose values stay. Ray exports one that was set once, and forgets it."""

    def __init__(self, name: str, description: str, tag_keys: tuple[str, ...]):
        self._gauge = Gauge(name, description, tag_keys)
        self._tag_keys = tag_keys
        self._values: dict[tuple[str, ...], float] = {}

    def set(self, value: float, *tags: str) -> None:
        """`tags` in the order of their keys."""
        if not self._values:  # not before, since a thread cannot be handed to an actor
            threading.Thread(target=self._refresh, daemon=True).start()
        self._values[tags] = value
        self._record(tags, value)

    def _refresh(self) -> None:
        while True:
            time.sleep(_REFRESH)
            for tags, value in list(self._values.items()):
                self._record(tags, value)

    def _record(self, tags: tuple[str, ...], value: float) -> None:
        self._gauge.set(value, dict(zip(self._tag_keys, tags, strict=True)))


class CallMetrics:
    """Of the calls that go through a gateway: makes each call's watch."""

    def __init__(self) -> None:
        self._of_call = ("run", "role", "purpose")
        self.tokens = Counter("pada_llm_tokens", "Tokens paid for", (*self._of_call, "kind"))
        self.retries = Counter("pada_llm_retries", "Attempts after one that failed", self._of_call)
        self.waits = Histogram(
            "pada_llm_wait_seconds", "Seconds that an attempt waited for its turn", _WAITS, self._of_call
        )
        self._in_flight = LastingGauge("pada_llm_calls_in_flight", "Calls at the endpoint", ("run", "role"))
        self._counts: Count[tuple[str, str]] = Count()

    def __call__(self, run: str, role: str, purpose: str) -> CallWatch:
        return _Watch(self, run_files.run_name(run), role, purpose)

    def count(self, run: str, role: str, more: int) -> None:
        self._counts[run, role] += more
        self._in_flight.set(self._counts[run, role], run, role)


class _Watch(CallWatch):
    def __init__(self, metrics: CallMetrics, run: str, role: str, purpose: str):
        self._metrics = metrics
        self._run, self._role = run, role
        self._tags = {"run": run, "role": role, "purpose": purpose}

    def starts(self, waited: float) -> None:
        self._metrics.waits.observe(waited, self._tags)
        self._metrics.count(self._run, self._role, 1)

    def ends(self) -> None:
        self._metrics.count(self._run, self._role, -1)

    def retries(self, reason: str) -> None:
        self._metrics.retries.inc(1, self._tags)

    def paid(self, prompt_tokens: int, completion_tokens: int) -> None:
        for kind, tokens in (("prompt", prompt_tokens), ("completion", completion_tokens)):
            if tokens:
                self._metrics.tokens.inc(tokens, self._tags | {"kind": kind})


class StageMetrics:
    """Of a run's stages, by the events of its log."""

    def __init__(self, run: str):
        self._run = run
        self._seconds = Counter("pada_stage_seconds", "How long a stage took that has ended", ("run", "stage"))

    def __call__(self, event: Event) -> None:
        if event.event == "stage ended" and event.figures["seconds"]:  # a counter takes no 0
            self._seconds.inc(event.figures["seconds"], {"run": self._run, "stage": event.stage})


class Measured:
    """What a stage tells of its work."""

    samples: int = 0


class ComputationMetrics:
    """Of the stages that compute: fine-tuning and evaluation."""

    def __init__(self) -> None:
        of_stage = ("run", "stage")
        self._pace = LastingGauge(
            "pada_samples_per_second", "Over a stage's whole time, waiting and starting included", of_stage
        )
        self._gpus = LastingGauge("pada_gpus", "GPUs that a stage holds or waits for, with fractions", of_stage)

    @contextlib.contextmanager
    def measured(self, folder: str, stage: str, gpus: float) -> Iterator[Measured]:
        """Around the work of a stage, which says how many samples the student read."""
        run = run_files.run_name(folder)
        began = time.monotonic()
        self._gpus.set(gpus, run, stage)
        measured = Measured()
        try:
            yield measured
        finally:
            self._gpus.set(0, run, stage)
        self._pace.set(measured.samples / (time.monotonic() - began), run, stage)

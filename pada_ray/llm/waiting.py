"""Which calls have been sent and not answered yet, for how long, and how often they were made again."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Sequence

from pada_ray.llm.call_watch import CallWatch
from pada_ray.records import Record

_SOON_S = 20.0  # a shorter wait is nothing to speak of, unless calls are made again
_LONG_S = 60.0  # a wait for the event log


class Waiting(Record):
    """The calls of a run in one role."""

    role: str
    calls: int
    seconds: float  # since the first of them was sent
    retried: int = 0  # of the calls: those that have failed and are made again
    reason: str = ""  # of most failures

    def describe(self) -> str:
        calls = "1 call" if self.calls == 1 else f"{self.calls} calls"
        again = f", {self.retried} retried ({self.reason})" if self.retried else ""
        return f"{self.role}: {calls} waiting {self.seconds:.0f} s{again}"


class WaitingCall(CallWatch):
    """A call from when it is first sent."""

    def __init__(self, role: str):
        self.role = role
        self.since = math.inf
        self.under_way = False
        self.reasons: list[str] = []

    def starts(self, waited: float) -> None:
        self.under_way = True
        self.since = min(self.since, _now())

    def ends(self) -> None:
        self.under_way = False

    def retries(self, reason: str) -> None:
        self.reasons.append(reason)


class WaitingCalls:
    """Of all runs at one endpoint."""

    def __init__(self) -> None:
        self._calls: dict[WaitingCall, str] = {}  # to the run's folder

    def begin(self, run: str, role: str) -> WaitingCall:
        call = WaitingCall(role)
        self._calls[call] = run
        return call

    def end(self, call: WaitingCall) -> None:
        """It has been answered, or given up."""
        del self._calls[call]

    def under_way(self, run: str) -> int:
        """How many of the run's calls are at the endpoint at this moment."""
        return sum(call.under_way for call, its_run in self._calls.items() if its_run == run)

    def waiting(self, run: str, role: str) -> Waiting | None:
        """None where no call has waited for long or is made again."""
        calls = [c for c, its_run in self._calls.items() if (its_run, c.role) == (run, role) and c.since < math.inf]
        if not calls:
            return None
        retried = [c for c in calls if c.reasons]
        reasons = Counter(reason for c in retried for reason in c.reasons)
        told = Waiting(
            role=role,
            calls=len(calls),
            seconds=_now() - min(c.since for c in calls),
            retried=len(retried),
            reason=reasons.most_common(1)[0][0] if reasons else "",
        )
        return told if told.seconds >= _SOON_S or told.retried else None


class LongWaits:
    """Which waits to put on record: one that has become long, and again whenever it has doubled."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}

    def due(self, waiting: Sequence[Waiting]) -> list[Waiting]:
        """Of what is waiting now."""
        seconds = {w.role: w.seconds for w in waiting}
        self._told = {role: told for role, told in self._told.items() if seconds.get(role, 0.0) >= told}
        due = [w for w in waiting if w.seconds >= max(_LONG_S, 2 * self._told.get(w.role, 0.0))]
        self._told |= {w.role: w.seconds for w in due}
        return due


def _now() -> float:
    return asyncio.get_running_loop().time()

"""Lets calls to an endpoint start, run by run in turn, as its limits allow."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import NamedTuple

from pada_ray.errors import EndpointError
from pada_ray.llm.fair_queue import FairQueue
from pada_ray.llm.limiter import Limiter, Start


class _Waiting(NamedTuple):
    turn: asyncio.Future[Start]
    tokens: Callable[[], int]


class Turnstile:
    """Runs share an endpoint evenly by tokens, because cost and time depend on tokens."""

    def __init__(self, limiter: Limiter):
        self._limiter = limiter
        self._queue: FairQueue[_Waiting] = FairQueue()
        self._timer: asyncio.TimerHandle | None = None

    async def enter(self, run: str, tokens: Callable[[], int], *, again: bool) -> Start:
        """Returns when a call may start. `tokens` estimates its tokens and is asked when its turn comes. A retry
        (`again`) goes ahead of the run's other calls. Raises EndpointError if the call is dismissed."""
        turn: asyncio.Future[Start] = asyncio.get_running_loop().create_future()
        self._queue.push(run, _Waiting(turn, tokens), ahead=again)
        self.admit()
        return await turn

    def charge(self, run: str, tokens: float) -> None:
        """The run's call took `tokens` more than estimated; fewer if negative."""
        self._queue.charge(run, tokens)

    def admit(self) -> None:
        """Starts the calls that may start. To be called whenever a call has ended."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._queue:
            _, waiting = self._queue.first()
            tokens = waiting.tokens()
            wait = self._limiter.wait(tokens, now)
            if wait > 0:
                self._admit_at(now + wait)
                return
            run, _ = self._queue.pop()
            if not waiting.turn.done():  # the caller may have been cancelled
                self._queue.charge(run, tokens)
                waiting.turn.set_result(self._limiter.start(tokens, now))

    def dismiss(self, problem: EndpointError, run: str | None = None) -> None:
        """Fails all waiting calls, or those of one run, with an error like `problem`."""
        for waiting in self._queue.remove(run):
            if not waiting.turn.done():
                waiting.turn.set_exception(type(problem)(str(problem)))

    def _admit_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if when < math.inf:
            self._timer = asyncio.get_running_loop().call_at(when, self.admit)

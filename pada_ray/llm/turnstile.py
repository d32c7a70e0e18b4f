"""Lets the calls to an endpoint through, one experiment after another, as its limits allow."""

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
    """Experiments share an endpoint evenly by tokens, which is what money and time go by."""

    def __init__(self, limiter: Limiter):
        self._limiter = limiter
        self._queue: FairQueue[_Waiting] = FairQueue()
        self._timer: asyncio.TimerHandle | None = None

    async def enter(self, experiment: str, tokens: Callable[[], int], *, again: bool) -> Start:
        """Returns when a call may start. `tokens` tells what it is expected to take, as far as is known when its turn
        comes. A call that was turned away before goes ahead of the experiment's others. Raises the EndpointError by
        which it is dismissed."""
        turn: asyncio.Future[Start] = asyncio.get_running_loop().create_future()
        self._queue.push(experiment, _Waiting(turn, tokens), ahead=again)
        self.admit()
        return await turn

    def charge(self, experiment: str, tokens: float) -> None:
        """The experiment's call took so many tokens more than was thought (or less)."""
        self._queue.charge(experiment, tokens)

    def admit(self) -> None:
        """Lets through what may start now; to be called whenever a call has ended."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._queue:
            _, waiting = self._queue.first()
            tokens = waiting.tokens()
            wait = self._limiter.wait(tokens, now)
            if wait > 0:
                self._admit_at(now + wait)
                return
            experiment, _ = self._queue.pop()
            if not waiting.turn.done():  # whoever waited may have been cancelled
                self._queue.charge(experiment, tokens)
                waiting.turn.set_result(self._limiter.start(tokens, now))

    def dismiss(self, problem: str) -> None:
        """Sends everyone away who waits."""
        while self._queue:
            _, waiting = self._queue.pop()
            if not waiting.turn.done():
                waiting.turn.set_exception(EndpointError(problem))

    def _admit_at(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if when < math.inf:
            self._timer = asyncio.get_running_loop().call_at(when, self.admit)

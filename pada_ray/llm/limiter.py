"""The limits of an endpoint, as configured or as found by trial.

A found limit rises in even steps while calls succeed and falls by a factor when the endpoint refuses calls (additive
increase, multiplicative decrease). Times are in seconds of any one clock.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal, NamedTuple

_MINUTE = 60.0
_RUN_AHEAD = 3.0  # seconds' worth of a rate that may start at once
_TOO_SHORT = 1e-6  # a wait, in seconds, below the resolution of clocks

_FIRST_IN_FLIGHT = 16
_SOON_IN_FLIGHT = 64  # it rises faster up to here, because replies take long
_MOST_IN_FLIGHT = 1000  # connections that the client keeps open
_LEAST_REQUESTS = 60.0  # per minute; the search for a rate starts here or above
_LEAST_TOKENS = 60_000.0
_FALL = 0.9  # of the pace at which the endpoint refused
_RISE = 0.1  # of the rate, per minute

_REFUSED_SHARE = 0.25  # of the latest calls; fewer refusals are bad luck and not a limit
_LATEST = 20  # calls, or a full window if that is more
_IN_A_ROW = 4  # refusals; these are no bad luck either


@dataclass
class Spending:
    """What a call takes of a rate: first the estimate, then the actual units."""

    at: float
    units: float


class Rate:
    """Units per minute (requests or tokens): at most `limit` in any minute, spread evenly.

    Without a limit, none applies until `fall` finds one: below the pace so far, but not below `least`, because one
    refusal says little after few calls.
    """

    def __init__(self, limit: float | None, least: float):
        self.limit = limit
        self._given = limit is not None
        self._least = least
        self._step = 0.0  # rise per minute
        self._log: deque[Spending] = deque()  # of the last minute
        self._units = 0.0  # its sum
        self._even = -math.inf  # when an evenly spread stream would continue
        self._began: float | None = None
        self._raised = 0.0

    def wait(self, units: float, now: float) -> float:
        """Seconds until a call of `units` may start. A call larger than the limit goes alone."""
        self._forget(now)
        if self.limit is None:
            return 0.0
        self._rise(now)
        wait = max(self._even - _RUN_AHEAD, self._room_at(self._units + units - self.limit, now)) - now
        return wait if wait > _TOO_SHORT else 0.0

    def take(self, units: float, now: float) -> Spending:
        """A call of `units` starts."""
        self._began = now if self._began is None else self._began
        self._even = max(self._even, now)
        spending = Spending(now, 0.0)
        self._log.append(spending)
        self.correct(spending, units, now)
        return spending

    def correct(self, spending: Spending, units: float, now: float) -> None:
        """The call takes `units` in all."""
        self._forget(now)
        more, spending.units = units - spending.units, units
        if spending.at + _MINUTE > now + _TOO_SHORT:
            self._units += more
        if self.limit is not None:
            self._even += more * _MINUTE / self.limit

    def fall(self, pause: float, now: float) -> None:
        """The endpoint refuses calls and asks for a pause of `pause` seconds."""
        if self._given or self._began is None:
            return
        self._forget(now)
        lasted = min(_MINUTE, max(1.0, now - self._began + pause))
        least = self._least if self.limit is None else self.limit / 2
        self.limit = _FALL * max(self._units * _MINUTE / lasted, least)
        self._step = _RISE * self.limit
        self._even = self._raised = now

    def _rise(self, now: float) -> None:
        if not self._given and self.limit is not None:
            self.limit += self._step * (now - self._raised) / _MINUTE
            self._raised = now

    def _room_at(self, excess: float, now: float) -> float:
        """When `excess` units will be older than a minute."""
        room_at = now
        for spending in self._log:
            if excess <= 0:
                break
            excess -= spending.units
            room_at = spending.at + _MINUTE
        return room_at

    def _forget(self, now: float) -> None:
        while self._log and self._log[0].at + _MINUTE <= now + _TOO_SHORT:
            self._units -= self._log.popleft().units


class Window:
    """How many calls may be in flight: at most `most`. If that is None, the window doubles with every full window of
    replies, up to 64 or until the endpoint refuses."""

    def __init__(self, most: int | None):
        self._most = most or _MOST_IN_FLIGHT
        self._size = float(most or _FIRST_IN_FLIGHT)
        self._soon = _SOON_IN_FLIGHT

    @property
    def size(self) -> int:
        return int(self._size)

    def rise(self, in_flight: int) -> None:
        """A reply came. The window grows by one per full window of replies, while it holds calls back."""
        if in_flight >= self.size:
            step = 1.0 if self._size < self._soon else 1 / self._size
            self._size = min(self._most, self._size + step)

    def fall(self) -> None:
        self._size = max(1.0, self._size / 2)
        self._soon = 0


_Refusal = Literal["rate", "overload"]


class Start(NamedTuple):
    """A call that has started."""

    at: float
    request: Spending
    tokens: Spending


class Limiter:
    """When the next call may start. None stands for a limit to be found.

    A call that is refused while most succeed waits alone. When too many are refused, the endpoint is at its limit: all
    calls wait as long as it asks, and the found limits fall, once for all refusals of calls that started before.
    """

    def __init__(self, requests_per_minute: int | None, tokens_per_minute: int | None, max_in_flight: int | None):
        self._requests = Rate(requests_per_minute, _LEAST_REQUESTS)
        self._tokens = Rate(tokens_per_minute, _LEAST_TOKENS)
        self._window = Window(max_in_flight)
        self._in_flight = 0
        self._paused_until = -math.inf
        self._fell = -math.inf
        self._latest: deque[_Refusal | None] = deque()

    def wait(self, tokens: float, now: float) -> float:
        """Seconds until a call of `tokens` may start; infinite while it must wait for another to end."""
        if self._in_flight >= self._window.size:
            return math.inf
        return max(0.0, self._paused_until - now, self._requests.wait(1, now), self._tokens.wait(tokens, now))

    def start(self, tokens: float, now: float) -> Start:
        self._in_flight += 1
        return Start(now, self._requests.take(1, now), self._tokens.take(tokens, now))

    def succeeded(self, start: Start, tokens: float, now: float) -> None:
        """The call ended with a reply and took `tokens`."""
        self._window.rise(self._in_flight)
        self._in_flight -= 1
        self._tokens.correct(start.tokens, tokens, now)
        self._note(None)

    def failed(self) -> None:
        """The call ended in a way that says nothing about limits."""
        self._in_flight -= 1

    def hold(self, until: float) -> None:
        """No call starts before that."""
        self._paused_until = max(self._paused_until, until)

    def refused(self, start: Start, pause: float, now: float, *, by_rate: bool) -> None:
        """The endpoint refused the call, because of the rate of calls (`by_rate`) or because it is overloaded, and asks
        for a pause of `pause` seconds."""
        self._in_flight -= 1
        if by_rate:
            self._requests.correct(start.request, 0, now)
            self._tokens.correct(start.tokens, 0, now)
        if start.at >= self._fell:
            self._note("rate" if by_rate else "overload")
            refusals = [r for r in self._latest if r is not None]
            in_a_row = None not in list(self._latest)[-_IN_A_ROW:] and len(refusals) >= _IN_A_ROW
            if len(refusals) < _REFUSED_SHARE * self._sample and not in_a_row:
                return
            self._fall(pause, now, by_rate=2 * refusals.count("rate") >= len(refusals))
        self._paused_until = max(self._paused_until, now + pause)

    def _fall(self, pause: float, now: float, *, by_rate: bool) -> None:
        self._fell = now
        self._latest.clear()
        self._window.fall()
        if by_rate:
            self._requests.fall(pause, now)
            self._tokens.fall(pause, now)

    def _note(self, refusal: _Refusal | None) -> None:
        self._latest.append(refusal)
        while len(self._latest) > self._sample:
            self._latest.popleft()

    @property
    def _sample(self) -> int:
        return max(_LATEST, self._window.size)

"""Knows whether an endpoint is down or refuses all calls, and stops them for as long."""

from __future__ import annotations

import math

from pada_ray.errors import EndpointError

_PAUSE = 30.0  # seconds between two probes
_DOWN = 5  # failures in a row


class CircuitBreaker:
    """Open from `trip` to the next success. While it is open, calls fail at once with the problem. One call every 30
    seconds goes through, to see whether the endpoint is back."""

    def __init__(self) -> None:
        self._problem: EndpointError | None = None
        self._probe_at = 0.0
        self._failures = 0  # in a row
        self._failing_since = math.inf
        self._succeeded = -math.inf

    def check(self, now: float) -> None:
        """Raises EndpointError while open."""
        if self._problem is None:
            return
        if now < self._probe_at:
            raise type(self._problem)(str(self._problem))
        self._probe_at = now + _PAUSE

    def trip(self, problem: EndpointError, now: float) -> None:
        self._problem = problem
        self._probe_at = now + _PAUSE

    def failed(self, now: float) -> None:
        """An attempt failed in a way that may pass."""
        self._failures += 1
        self._failing_since = min(self._failing_since, now)

    def failing_for(self, now: float) -> float:
        """Seconds since the first failure after the last answer."""
        return max(0.0, now - self._failing_since)

    @property
    def hold(self) -> float:
        """Seconds for which no call should start, lest an endpoint that is down be hammered."""
        return min(_PAUSE, 2.0 ** min(self._failures - _DOWN, 10)) if self.looks_down else 0.0

    @property
    def looks_down(self) -> bool:
        return self._failures >= _DOWN

    def succeeded(self, now: float) -> None:
        self._problem = None
        self._failures = 0
        self._failing_since = math.inf
        self._succeeded = now

    def succeeded_since(self, then: float) -> bool:
        return self._succeeded >= then

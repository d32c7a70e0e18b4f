"""Keeps calls from an endpoint that is down, or that refuses them all."""

from __future__ import annotations

import math

from pada_ray.errors import EndpointError

_PAUSE = 30.0  # seconds between two tries
_DOWN = 5  # failures in a row


class CircuitBreaker:
    """Open from `trip` to the next success: calls are turned away at once, with what is wrong. Every 30 seconds one is
    let through, to see whether the endpoint is back."""

    def __init__(self) -> None:
        self._problem: str | None = None
        self._try_at = 0.0
        self._failures = 0  # in a row
        self._succeeded = -math.inf

    def check(self, now: float) -> None:
        """Raises EndpointError while open."""
        if self._problem is None:
            return
        if now < self._try_at:
            raise EndpointError(self._problem)
        self._try_at = now + _PAUSE

    def trip(self, problem: str, now: float) -> None:
        self._problem = problem
        self._try_at = now + _PAUSE

    def failed(self) -> None:
        """A try of some call failed in a way that may pass."""
        self._failures += 1

    @property
    def looks_down(self) -> bool:
        return self._failures >= _DOWN

    def succeeded(self, now: float) -> None:
        self._problem = None
        self._failures = 0
        self._succeeded = now

    def succeeded_since(self, then: float) -> bool:
        return self._succeeded >= then

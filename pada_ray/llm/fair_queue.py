"""Decides which run goes next at a shared endpoint."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """The run that has been given least goes first; its own items keep their order.

    A run that had nothing waiting starts level with the others, so that turns cannot be saved up. This is start-time
    fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996), with equal weights.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[T]] = {}
        self._given: defaultdict[str, float] = defaultdict(float)
        self._level = 0.0  # what the run served last had been given

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def push(self, run: str, item: T, ahead: bool) -> None:
        """`ahead` puts an item that comes back before the run's other items."""
        if run not in self._waiting:
            self._waiting[run] = deque()
            self._given[run] = max(self._given[run], self._level)
        items = self._waiting[run]
        (items.appendleft if ahead else items.append)(item)

    def first(self) -> tuple[str, T]:
        """The run whose turn it is, and its item."""
        run = min(self._waiting, key=self._given.__getitem__)
        return run, self._waiting[run][0]

    def pop(self) -> tuple[str, T]:
        run, item = self.first()
        self._level = self._given[run]
        self._waiting[run].popleft()
        if not self._waiting[run]:
            del self._waiting[run]
        return run, item

    def remove(self, run: str | None) -> list[T]:
        """Takes out all items of a run, or of all runs."""
        runs = list(self._waiting) if run is None else [run]
        return [item for one in runs for item in self._waiting.pop(one, ())]

    def charge(self, run: str, units: float) -> None:
        """Adds to what the run has been given; negative `units` correct an estimate that was too high."""
        self._given[run] += units

"""Who goes next, among experiments that share an endpoint."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """The experiment that has been given least goes first; its own items keep their order.

    Whoever had nothing waiting starts level with the others, so that turns cannot be saved up. This is start-time fair
    queueing (Goyal, Vin and Cheng, SIGCOMM 1996), with equal weights.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[T]] = {}
        self._given: defaultdict[str, float] = defaultdict(float)
        self._level = 0.0  # what the one served last had been given

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def push(self, experiment: str, item: T, ahead: bool) -> None:
        """`ahead`: before the experiment's other items, for one that has waited its turn before."""
        if experiment not in self._waiting:
            self._waiting[experiment] = deque()
            self._given[experiment] = max(self._given[experiment], self._level)
        items = self._waiting[experiment]
        (items.appendleft if ahead else items.append)(item)

    def first(self) -> tuple[str, T]:
        """Whose turn it is, and the item."""
        experiment = min(self._waiting, key=self._given.__getitem__)
        return experiment, self._waiting[experiment][0]

    def pop(self) -> tuple[str, T]:
        experiment, item = self.first()
        self._level = self._given[experiment]
        self._waiting[experiment].popleft()
        if not self._waiting[experiment]:
            del self._waiting[experiment]
        return experiment, item

    def charge(self, experiment: str, units: float) -> None:
        """Counts what the experiment has been given; less than nothing where too much was counted before."""
        self._given[experiment] += units

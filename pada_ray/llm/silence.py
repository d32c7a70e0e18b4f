"""How long a server may be silent: a call is given up for that, and not for the length of its reply."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Silent(Exception):
    """The server said nothing for too long. The message follows the server's name in an error."""


class Silence:
    """`first` seconds until the first piece of a reply, `between` seconds from one piece to the next."""

    def __init__(self, first: float, between: float):
        self._between = between
        self._message = f"did not answer within {first:g} s"
        self._ends = _now() + first

    def broken(self) -> None:
        """A piece came."""
        self._message = f"fell silent for {self._between:g} s in the middle of a reply"
        self._ends = _now() + self._between

    @property
    def left(self) -> float:
        """Seconds."""
        return self._ends - _now()

    @property
    def nap(self) -> float:
        """Seconds after which to look again: a piece may bring the end nearer, to `between` seconds from now."""
        return min(self.left, self._between)

    @property
    def error(self) -> Silent:
        return Silent(self._message)


async def unless_silent(reading: Coroutine[Any, Any, T], silence: Silence) -> T:
    """What `reading` returns. Raises Silent, and ends `reading`, when `silence` has lasted too long.

    One task for the whole reply: a time limit on each of its pieces would cost more than reading them.
    """
    task = asyncio.ensure_future(reading)
    try:
        while not task.done():
            if silence.left <= 0:
                raise silence.error
            await asyncio.wait({task}, timeout=silence.nap)
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


def _now() -> float:
    return asyncio.get_running_loop().time()

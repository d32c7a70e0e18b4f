"""A run's calls in one role that have not ended yet. One that is answered tells that the endpoint answers the run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class OpenCalls:
    def __init__(self) -> None:
        self._open = 0
        self._told = asyncio.Event()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Around a call. It is answered unless it raises."""
        self._open += 1
        answered = False
        try:
            yield
            answered = True
        finally:
            self._open -= 1
            if answered or not self._open:
                self._told.set()
                self._told = asyncio.Event()

    async def tell(self) -> None:
        """Returns when one is answered, or when none is left."""
        if self._open:
            await self._told.wait()

"""Compares new texts with known ones: which are most like them, and which label fits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from pada_ray.agents.embedding import Embedded

Nearest = Callable[[Sequence[str], Sequence[str], int], Awaitable[list[list[int]]]]
"""`Comparing.nearest`, here or of an agent elsewhere."""
_Found = TypeVar("_Found")

# Calls that come together would each embed and learn what the first does for all. No Finder has it, since these travel.
_ONE_AT_A_TIME = threading.Lock()


class Comparing(Protocol):
    """A Finder, or an agent elsewhere that has one."""

    async def nearest(self, queries: Sequence[str], texts: Sequence[str], k: int) -> list[list[int]]: ...
    async def labels(self, queries: Sequence[str], texts: Sequence[str], labels: Sequence[str]) -> list[str]: ...


class Finder:
    """Looks in an embedding. Texts that are searched again are not embedded again."""

    def __init__(self, embedding: str, seed: int):
        self._embedding = embedding
        self._seed = seed
        self._texts: list[str] = []
        self._embedded: Embedded | None = None

    async def nearest(self, queries: Sequence[str], texts: Sequence[str], k: int) -> list[list[int]]:
        """For each query the positions in `texts` of the `k` most similar ones (cosine), the nearest first. Raises
        ConfigError when the embedding model cannot be loaded."""
        return await asyncio.to_thread(self._look, texts, lambda known: known.nearest(queries, k))

    async def labels(self, queries: Sequence[str], texts: Sequence[str], labels: Sequence[str]) -> list[str]:
        """For each query the likeliest label, by a classifier that has learned `texts`, of which there is one at least,
        with their `labels`. Raises the same."""
        return await asyncio.to_thread(self._look, texts, lambda known: known.labels(queries, labels))

    def _look(self, texts: Sequence[str], look: Callable[[Embedded], _Found]) -> _Found:
        from pada_ray.agents.embedding import Embedded  # late, since it brings scikit-learn

        with _ONE_AT_A_TIME:
            if self._embedded is None or list(texts) != self._texts:
                self._texts, self._embedded = list(texts), Embedded(texts, self._embedding, self._seed)
            return look(self._embedded)

"""Finds the texts that are most similar to others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pada_ray.agents.clustering import Neighbours

Nearest = Callable[[Sequence[str], Sequence[str], int], Awaitable[list[list[int]]]]
"""`Finder.nearest`, here or of an agent elsewhere."""


class Finder:
    """Looks in an embedding. Texts that are searched again are not embedded again."""

    def __init__(self, embedding: str, seed: int):
        self._embedding = embedding
        self._seed = seed
        self._texts: list[str] = []
        self._neighbours: Neighbours | None = None

    async def nearest(self, queries: Sequence[str], texts: Sequence[str], k: int) -> list[list[int]]:
        """For each query the positions in `texts` of the `k` most similar ones (cosine), the nearest first. Raises
        ConfigError when the embedding model cannot be loaded."""
        return await asyncio.to_thread(self._find, queries, list(texts), k)

    def _find(self, queries: Sequence[str], texts: list[str], k: int) -> list[list[int]]:
        from pada_ray.agents.clustering import Neighbours  # late, since it brings scikit-learn

        if self._neighbours is None or texts != self._texts:
            self._texts, self._neighbours = texts, Neighbours(texts, self._embedding, self._seed)
        return self._neighbours.nearest(queries, k)

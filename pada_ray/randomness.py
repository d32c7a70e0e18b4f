"""Every random choice depends on the run's seed and the name of its purpose, never on a clock or an order of
arrival."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def number_for(seed: int, *names: object) -> int:
    """A 64-bit number that depends only on the seed and the names, in every process."""
    digest = hashlib.sha256(repr((seed, *map(str, names))).encode()).digest()
    return int.from_bytes(digest[:8], "big")


def generator_for(seed: int, *names: object) -> random.Random:
    return random.Random(number_for(seed, *names))


def shuffled(items: Sequence[T], seed: int) -> list[T]:
    """A copy in an order that depends only on seed and length."""
    copy = list(items)
    random.Random(seed).shuffle(copy)
    return copy

"""Two methods whose true difference is known, for tests of the statistics."""

from __future__ import annotations

import numpy as np


def simulated(
    generator: np.random.Generator,
    seeds: int,
    items: int,
    *,
    difference: float,
    seed_deviation: float,
    item_deviation: float,
    crossed: bool,
    discordant: float = 0.4,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Which items each method gets right, by seed. The true difference varies by seed and by item, which all seeds
    share if `crossed`; all in accuracy, 0 to 1."""
    of_items = generator.normal(0, item_deviation, (1 if crossed else seeds, items))
    truth = difference + generator.normal(0, seed_deviation, (seeds, 1)) + of_items
    wins = (discordant + np.clip(truth, -discordant, discordant)) / 2
    uniform = generator.random((seeds, items))
    return list(uniform < wins), list((uniform >= wins) & (uniform < discordant))

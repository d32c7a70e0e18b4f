"""The axes of a sweep's grid, and the labels on them."""

from __future__ import annotations

Label = str | int | float | bool | None

METHOD, SEED, DATASET = "method", "seed", "dataset"  # axes with a meaning of their own


def setting_of(coordinates: dict[str, Label]) -> str:
    """What beside method and seed tells a cell from others, such as `dataset gsm8k, regime 300`."""
    return ", ".join(f"{axis} {label}" for axis, label in coordinates.items() if axis not in (METHOD, SEED))

"""The design of a sweep: what it is to show, named in its file before the first run.

    primary: [{method: pada, against: blind}, {method: pada, against: val_errors, regime: 300}]
    looks: [5, 8]
    detect: 2

Only primary comparisons can be significant; all others are exploratory. `looks` is the one way to add seeds to a
primary comparison after its results were seen.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from pada_ray.errors import ConfigError
from pada_ray.runs.axes import METHOD, SEED, Label

AGAINST = "against"

Coordinates = dict[str, Label]


class Design(BaseModel):
    """The keys of a sweep's file that say what it is to show."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    primary: list[Coordinates] = Field(default_factory=list)
    """The primary comparisons: for each a `method`, the same in all, and the method that it is `against`. Further axes
    narrow it to the settings with that label; otherwise it is made in every setting that has both methods."""
    looks: list[int] = Field(default_factory=list)
    """The numbers of seeds at which the primary comparisons are looked at, rising. Without it there is one look, at all
    seeds of the grid."""
    detect: float | None = Field(default=None, gt=0)
    """The difference, in points, that the last look is to show with 80% power. The spread at the first look
    gives the number of seeds that this takes. If that is more than the last look has, the last look moves to that
    number, at most to all seeds of the grid."""

    @property
    def method(self) -> str | None:
        """The method of the primary comparisons."""
        return str(self.primary[0][METHOD]) if self.primary else None

    def is_primary(self, method: str, against: str, setting: Coordinates) -> bool:
        """Whether a comparison is primary; `setting` holds its labels on other axes."""
        return any(
            (str(one[METHOD]), str(one[AGAINST])) == (method, against)
            and all(axis in setting and str(setting[axis]) == str(label) for axis, label in _places(one))
            for one in self.primary
        )

    def check(self, cells: Sequence[Coordinates]) -> None:
        """Raises ConfigError, naming the key, where the design does not fit the cells of the grid."""
        for one in self.primary:
            self._check_primary(one, cells)
        if self.looks:
            self._check_looks(cells)
        elif self.detect is not None:
            raise ConfigError("detect: it moves the last of several looks; add looks, such as `looks: [5, 8]`")

    def _check_primary(self, one: Coordinates, cells: Sequence[Coordinates]) -> None:
        if not {METHOD, AGAINST} <= one.keys() or SEED in one:
            raise ConfigError(f"primary: {one}: name a method and what it is against: {{method: pada, against: blind}}")
        for axis, label in [(METHOD, one[METHOD]), (METHOD, one[AGAINST]), *_places(one)]:
            known = list(dict.fromkeys(str(cell[axis]) for cell in cells if axis in cell))
            if str(label) not in known:
                there = f"it has {', '.join(known)}" if known else "there is no such axis"
                raise ConfigError(f"primary: {axis} {label}: not in the grid; {there}")
        if one[METHOD] != self.primary[0][METHOD] or one[METHOD] == one[AGAINST]:
            raise ConfigError(f"primary: {one}: all compare the same method, each with another one")
        sides = [
            {setting_key(c) for c in cells if str(c.get(METHOD)) == str(one[side]) and _lies_at(c, one)}
            for side in (METHOD, AGAINST)
        ]
        if not sides[0] & sides[1]:
            raise ConfigError(f"primary: {one}: no setting of the grid has both methods")

    def _check_looks(self, cells: Sequence[Coordinates]) -> None:
        looks = self.looks
        if not self.primary:
            raise ConfigError("looks: they are those of primary comparisons; name some under `primary`")
        if len(looks) < 2 or looks[0] < 2 or any(b <= a for a, b in itertools.pairwise(looks)):
            raise ConfigError(f"looks: {looks}: write at least two numbers of seeds, rising, such as [5, 8]")
        seeds: dict[tuple[object, ...], list[Label]] = {}
        for cell in cells:
            seeds.setdefault((cell.get(METHOD), setting_key(cell)), []).append(cell.get(SEED))
        first, *others = seeds.values()
        if any(other != first for other in others):
            raise ConfigError("looks: every method needs the same seeds in every setting")
        if len(first) < looks[-1] or (len(first) > looks[-1] and self.detect is None):
            more = " at least" if self.detect is not None else ""
            raise ConfigError(f"looks: {looks}: the grid has {len(first)} seeds, and needs{more} {looks[-1]}")


def setting_key(coordinates: Coordinates) -> tuple[tuple[str, str], ...]:
    """The labels on the axes other than method and seed."""
    return tuple((axis, str(label)) for axis, label in coordinates.items() if axis not in (METHOD, SEED))


def _places(one: Coordinates) -> list[tuple[str, Label]]:
    return [(axis, label) for axis, label in one.items() if axis not in (METHOD, AGAINST)]


def _lies_at(cell: Coordinates, one: Coordinates) -> bool:
    return all(str(cell.get(axis)) == str(label) for axis, label in _places(one))

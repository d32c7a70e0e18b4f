"""Many runs from one file: an ordinary config with lists under `grid:`, one cell for each combination."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pada_ray.config import CHANGEABLE, Config, check_config, lay_over, put, read_raw
from pada_ray.errors import ConfigError
from pada_ray.records import Record
from pada_ray.run import run_files
from pada_ray.run.configs import check_names, read_config
from pada_ray.storage import Folder

CELLS = "cells"  # folder of the cells' runs in the sweep's folder
SHARED = "shared"  # folder of the stages that cells have in common
FILE = "sweep.yaml"
METHOD, SEED, DATASET = "method", "seed", "dataset"  # axes with a meaning of their own

Label = str | int | float | bool | None
Axis = list[Label] | dict[str | int, dict[str, Any]]
Grid = dict[str, Axis]


class SweepKeys(BaseModel):
    """What a sweep's file holds beside the keys of a config."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    grid: Grid | list[Grid]
    """For each axis a list of values of the config key that it is named after, or labels with the keys that each sets.
    Several grids are run one after another."""
    parallel: int = Field(default=1, ge=1)
    """Runs under way at a time."""


class Cell(Record):
    """One run of a sweep. `coordinates` give its place on each axis."""

    name: str
    coordinates: dict[str, Label]
    config: Config


class Sweep(Record):
    name: str
    url: str  # the sweep's folder
    parallel: int
    cells: list[Cell]

    def folder(self, cell: Cell) -> Folder:
        """Where a cell's run is kept."""
        return Folder(f"{self.url}/{CELLS}/{cell.name}")


def load_sweep(path: str, overrides: list[str], lasting: Callable[[str], str] = str) -> Sweep:
    """Reads a sweep's file, lays `a.b=value` overrides over it, and checks every cell. `lasting` turns the folder of
    `runs` into the one where they are kept.

    Raises ConfigError, naming the cell and the key.
    """
    raw = read_raw(path)
    for override in overrides:
        lay_over(raw, override)
    own = {key: raw.pop(key) for key in list(raw) if key in SweepKeys.model_fields}
    try:
        keys = SweepKeys.model_validate(own)
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"{path}: {where}: {first['msg']}; an axis is a list of values, or labels with the keys that each sets"
        ) from None
    name = raw.get("name", "sweep")
    url = Folder(f"{lasting(str(raw.get('runs', Config.model_fields['runs'].default)))}/{name}").url
    cells = []
    for coordinates, values in _combinations(keys.grid):
        cell = "_".join(f"{axis}-{label}" for axis, label in coordinates.items())
        cell = re.sub(r"[^A-Za-z0-9._]+", "-", cell)
        merged = copy.deepcopy(raw)
        for key, value in values.items():
            put(merged, key, value, f"{path}: grid: {key}")
        merged |= {"name": cell, "runs": f"{url}/{CELLS}", "shared_stages": f"{url}/{SHARED}"}
        merged["llm"] = {"cache": url} | (merged.get("llm") or {})
        config = check_config(merged, f"{path}: cell {cell}")
        check_names(config, f"{path}: cell {cell}")
        cells.append(Cell(name=cell, coordinates=coordinates, config=config))
    names = [cell.name for cell in cells]
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise ConfigError(f"{path}: grid: two cells are called {twice}; give the axes' labels other names")
    return Sweep(name=name, url=url, parallel=keys.parallel, cells=cells)


def chosen(sweep: Sweep, only: list[str]) -> list[Cell]:
    """The cells at the places `AXIS=LABEL`; for an axis that is named twice, at either. Raises ConfigError when there
    are none."""
    wanted: dict[str, set[str]] = {}
    for place in only:
        axis, _, label = place.partition("=")
        wanted.setdefault(axis, set()).add(label)
    cells = [
        cell
        for cell in sweep.cells
        if all(str(cell.coordinates.get(axis)) in labels for axis, labels in wanted.items())
    ]
    if not cells:
        places = {axis: dict.fromkeys(str(c.coordinates.get(axis)) for c in sweep.cells) for axis in wanted}
        known = "; ".join(f"{axis}: {', '.join(labels)}" for axis, labels in places.items())
        raise ConfigError(f"--only {' '.join(only)}: no cell of the grid is there; its places: {known}")
    return cells


def setting_of(coordinates: dict[str, Label]) -> str:
    """What beside method and seed tells a cell from others, such as `dataset gsm8k, regime 300`."""
    return ", ".join(f"{axis} {label}" for axis, label in coordinates.items() if axis not in (METHOD, SEED))


def write_sweep(sweep: Sweep) -> None:
    """Writes the list of cells into the sweep's folder, for whoever reads its results.

    Raises ConfigError when a cell was run already with another config.
    """
    folder = Folder(sweep.url)
    for cell in sweep.cells:
        run = sweep.folder(cell)
        if run.exists(run_files.CONFIG) and _what_is_done(read_config(run)) != _what_is_done(cell.config):
            raise ConfigError(
                f"{run.url}: this cell was run with another config; give the sweep another name (--set name=...)"
            )
    listed = [{"name": cell.name, "coordinates": cell.coordinates} for cell in sweep.cells]
    folder.write_yaml(FILE, {"name": sweep.name, "cells": listed})


def _what_is_done(config: Config) -> dict[str, Any]:
    """What is done, wherever its files lie, however its models are called and whatever it may spend."""
    done = config.model_dump(exclude={"runs", "shared_stages", *CHANGEABLE})
    return done | {"teacher": config.llm.teacher.model, "judge": config.llm.judge.model}


def _combinations(grid: Grid | list[Grid]) -> Iterator[tuple[dict[str, Label], dict[str, Any]]]:
    """(coordinates, values by config key) of every cell, the first axis turning slowest."""
    for one in grid if isinstance(grid, list) else [grid]:
        axes = [[(axis, *place) for place in _places(axis, values)] for axis, values in one.items()]
        for chosen in itertools.product(*axes):
            coordinates = {axis.rpartition(".")[2]: label for axis, label, _ in chosen}
            yield coordinates, {key: value for _, _, values in chosen for key, value in values.items()}


def _places(axis: str, values: Axis) -> list[tuple[Label, dict[str, Any]]]:
    if isinstance(values, dict):
        return list(values.items())
    return [(value, {axis: value}) for value in values]

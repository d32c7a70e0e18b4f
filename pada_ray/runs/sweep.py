"""Many runs from one file: an ordinary config with lists under `grid:`, one cell for each combination."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic import Field, ValidationError

from pada_ray.config import CHANGEABLE, Config, check_config, lay_over, put, read_raw
from pada_ray.errors import ConfigError
from pada_ray.records import Record
from pada_ray.runs import run_files
from pada_ray.runs.axes import METHOD, SEED, Label, setting_of
from pada_ray.runs.configs import check_names, read_config, with_absolute_models
from pada_ray.runs.design import Design, setting_key
from pada_ray.runs.state import is_done
from pada_ray.storage import Folder

CELLS = "cells"  # folder of the cells' runs in the sweep's folder
SHARED = "shared"  # folder of the stages that cells have in common
FILE = "sweep.yaml"

Axis = list[Label] | dict[str | int, dict[str, Any]]
Grid = dict[str, Axis]


class SweepKeys(Design):
    """What a sweep's file holds beside the keys of a config."""

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
    design: Design

    @property
    def seeds(self) -> list[Label]:
        """The seeds of the grid, in its order."""
        return list(dict.fromkeys(cell.coordinates.get(SEED) for cell in self.cells))

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
        axis = "; an axis is a list of values, or labels with the keys that each sets" if where[:4] == "grid" else ""
        raise ConfigError(f"{path}: {where}: {first['msg']}{axis}") from None
    place = _place(raw, path)
    url = Folder(f"{lasting(place.runs)}/{place.name}").url
    cells = []
    for coordinates, values in _combinations(keys.grid):
        cell = "_".join(f"{axis}-{label}" for axis, label in coordinates.items())
        cell = re.sub(r"[^A-Za-z0-9._]+", "-", cell)
        merged = copy.deepcopy(raw)
        for key, value in values.items():
            put(merged, key, value, f"{path}: grid: {key}")
        merged |= {"name": cell, "runs": f"{url}/{CELLS}", "shared_stages": f"{url}/{SHARED}"}
        if isinstance(llm := merged.get("llm") or {}, dict):
            merged["llm"] = {"cache": url} | llm
        config = check_config(merged, f"{path}: cell {cell}")
        check_names(config, f"{path}: cell {cell}")
        if config.review:
            raise ConfigError(f"{path}: review: a sweep waits for nobody; leave it out, or use `pada run` for one run")
        cells.append(Cell(name=cell, coordinates=coordinates, config=config))
    if not cells:
        raise ConfigError(f"{path}: grid: it has no cell; give each axis at least one value")
    names = [cell.name for cell in cells]
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise ConfigError(f"{path}: grid: two cells are called {twice}; give the axes' labels other names")
    try:
        keys.check([cell.coordinates for cell in cells])
    except ConfigError as e:
        raise ConfigError(f"{path}: {e}") from None
    design = Design(**{key: getattr(keys, key) for key in Design.model_fields})
    return Sweep(name=place.name, url=url, parallel=keys.parallel, cells=cells, design=design)


def _place(raw: dict[str, Any], path: str) -> Config:
    """A config with the sweep's name and `runs`, which its cells do not have. Raises ConfigError, naming the key."""
    given = {key: raw[key] for key in ("name", "runs") if key in raw}
    return check_config({"name": "sweep", "data": {"demo": {}}} | given, path)


def is_sweep(folder: Folder) -> bool:
    """Whether a sweep writes its runs into this folder."""
    return folder.exists(FILE)


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


def up_to(sweep: Sweep, seeds: dict[str, int]) -> list[Cell]:
    """The cells of the grid's first seeds, as many as `seeds` says for their setting, and of those that are begun."""
    number = {seed: i for i, seed in enumerate(sweep.seeds)}
    return [
        cell
        for cell in sweep.cells
        if number[cell.coordinates.get(SEED)] < seeds[setting_of(cell.coordinates)]
        or sweep.folder(cell).exists(run_files.CONFIG)
    ]


def write_sweep(sweep: Sweep, due: Sequence[Cell] | None = None) -> None:
    """Writes the list of cells, or only of those that are `due`, and the design into the sweep's folder, for whoever
    reads its results.

    Raises ConfigError when a cell was run already with another config, or when the design was changed after a run was
    done.
    """
    folder = Folder(sweep.url)
    for cell in sweep.cells:
        run = sweep.folder(cell)
        if run.exists(run_files.CONFIG) and _what_is_done(read_config(run)) != _what_is_done(cell.config):
            raise ConfigError(
                f"{run.url}: this cell was run with another config; give the sweep another name (--set name=...)"
            )
    _keep_to_the_design(sweep, folder)
    listed = [{"name": cell.name, "coordinates": cell.coordinates} for cell in (sweep.cells if due is None else due)]
    design = sweep.design.model_dump(exclude_defaults=True)
    seeds = {"seeds": sweep.seeds} if sweep.design.looks else {}
    folder.write_yaml(FILE, {"name": sweep.name, **design, **seeds, "cells": listed})


def read_design(listed: dict[str, Any]) -> Design:
    """The design in a sweep's list of cells; that of a sweep of 0.1 names nothing."""
    return Design(**{key: listed[key] for key in Design.model_fields if key in listed})


def _keep_to_the_design(sweep: Sweep, folder: Folder) -> None:
    """Whoever has seen results can name what they show. So primary comparisons and their seeds stay as they were."""
    if not folder.exists(FILE):
        return
    before = folder.read_yaml(FILE)
    design = read_design(before)
    if not (design.primary or sweep.design.primary) or not any(is_done(sweep.folder(cell)) for cell in sweep.cells):
        return
    if design != sweep.design:
        was = design.model_dump(exclude_defaults=True) or "none"
        raise ConfigError(
            f"{folder.url}: primary, looks and detect are named before the first run is done, and here they were "
            f"{was}; leave them so, or give the sweep another name (--set name=...)"
        )
    seeds: dict[Any, list[Label]] = {}
    for coordinates in (cell["coordinates"] for cell in before["cells"]):
        seeds.setdefault((coordinates.get(METHOD), setting_key(coordinates)), []).append(coordinates.get(SEED))
    for cell in sweep.cells:
        known = seeds.get((cell.coordinates.get(METHOD), setting_key(cell.coordinates)))
        if known and cell.coordinates.get(SEED) not in known and not design.looks:
            raise ConfigError(
                f"{folder.url}: seed {cell.coordinates.get(SEED)} was added after runs were done; a sweep with primary "
                "comparisons gets more seeds only by `looks`, or by another name (--set name=...)"
            )


def _what_is_done(config: Config) -> dict[str, Any]:
    """What is done, wherever its files lie, however its models are called and whatever it may spend."""
    config = with_absolute_models(config)  # as a run keeps them
    done = config.model_dump(exclude={"runs", "shared_stages", *CHANGEABLE})
    return done | {"teacher": config.llm.teacher.model, "judge": config.llm.judge.model}


def _combinations(grid: Grid | list[Grid]) -> Iterator[tuple[dict[str, Label], dict[str, Any]]]:
    """(coordinates, values by config key) of every cell, the first axis turning slowest."""
    grids = grid if isinstance(grid, list) else [grid]
    keys = {axis for one in grids for axis in one if "." in axis}
    for one in grids:
        names = [_called(axis, keys | one.keys()) for axis in one]
        for chosen in itertools.product(*(_places(axis, values) for axis, values in one.items())):
            coordinates = {name: label for name, (label, _) in zip(names, chosen, strict=True)}
            yield coordinates, {key: value for _, values in chosen for key, value in values.items()}


def _called(axis: str, others: set[str]) -> str:
    """The last part of an axis' name; all of it where the part means something else, or another axis has it too."""
    last = axis.rpartition(".")[2]
    shared = any(other != axis and other.rpartition(".")[2] == last for other in others)
    return axis if shared or last in (METHOD, SEED) else last


def _places(axis: str, values: Axis) -> list[tuple[Label, dict[str, Any]]]:
    if isinstance(values, dict):
        return list(values.items())
    return [(value, {axis: value}) for value in values]

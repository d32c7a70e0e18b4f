"""Runs and sweeps as a report reads them from their folders, finished or not."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any, NamedTuple, get_args

from pada_ray.agents.quotas import GroupReport
from pada_ray.config import Config
from pada_ray.errors import ConfigError, DamagedFile
from pada_ray.findings.paper_results import Dataset
from pada_ray.records import Message, Prediction, Sample, Split
from pada_ray.runs import run_files
from pada_ray.runs.axes import DATASET, METHOD, SEED, Label, setting_of
from pada_ray.runs.configs import read_config
from pada_ray.runs.design import Design
from pada_ray.runs.run_files import ADAPTER
from pada_ray.runs.run_folder import RunFolder, check_run, has_begun
from pada_ray.runs.state import FILE, RunState, Score, read_state
from pada_ray.runs.sweep import CELLS, read_design
from pada_ray.runs.sweep import FILE as SWEEP_FILE
from pada_ray.storage import Folder


class Run(NamedTuple):
    """One run. `coordinates` are its labels on the axes of its sweep."""

    folder: RunFolder
    config: Config
    state: RunState
    status: str
    """prepared, or the status in its state."""
    coordinates: dict[str, Label]
    changed: float
    """Time at which `state` was written, in seconds since the epoch."""

    @property
    def method(self) -> str:
        return str(self.coordinates.get(METHOD, self.config.method))

    @property
    def seed(self) -> Label:
        return self.coordinates.get(SEED, self.config.seed)

    @property
    def setting(self) -> str:
        """The run's labels on the axes other than method and seed, such as `dataset gsm8k, regime 300`."""
        return setting_of(self.coordinates)

    @property
    def models(self) -> list[str]:
        """The models evaluated so far: base, iteration-0, ..."""
        return list(self.state.scores)

    @property
    def final(self) -> str | None:
        """The last iteration's model, which Algorithm 1 of the paper returns; None before the run is done."""
        return self.models[-1] if self.status == "done" else None

    @property
    def dataset(self) -> str | None:
        """The paper's dataset that the config, or an axis of the sweep, names; None on other data."""
        named = self.config.data.dataset or self.coordinates.get(DATASET)
        return next((dataset for dataset in get_args(Dataset) if dataset == named), None)

    @property
    def regime(self) -> int | None:
        """The number of training samples that the config asks for. All of HumanEval count as the paper's smallest
        regime, as in its section 3.3, though they are fewer."""
        asked_for = self.config.data.regime
        return 300 if self.dataset == "humaneval" and asked_for is None else asked_for

    def training_samples(self, model: str | None) -> int | None:
        """None for the base model."""
        return self.state.counts.get(model or "", {}).get("training_samples")

    @property
    def shortfall(self) -> int:
        """Synthetic samples that the run asked for and did not get, over all iterations."""
        counts = self.state.counts
        wanted = self.config.data_generation.samples_to_add(self._train_samples)
        # Runs of 0.1 with nothing to write from had a quota of 0, and so no shortfall.
        return sum(
            max(wanted, each["quota"]) - each["accepted"]
            for each in counts.values()
            if {"quota", "accepted"} <= each.keys()
        )

    @property
    def _train_samples(self) -> int:
        first = self.state.counts.get(run_files.model(0), {})
        return first.get("training_samples", 0) + first.get("left_out_as_too_long", 0)

    def score(self, model: str | None, split: Split) -> Score | None:
        """None where the model has not been evaluated, or none of its replies was scored."""
        score = self.state.scores.get(model or "", {}).get(split)
        return score if score and score.samples > score.unscored else None

    def accuracy(self, model: str | None, split: Split) -> float | None:
        """In points, 0 to 100."""
        score = self.score(model, split)
        return 100 * score.accuracy if score else None

    def predictions(self, model: str, split: Split) -> dict[str, Prediction]:
        """Predictions by sample id; empty where the model has not been evaluated."""
        file = run_files.predictions(model)
        if model not in self.state.scores or not self.folder.exists(file):
            return {}
        return {p.id: p for p in self.folder.read_records(file, Prediction) if p.split == split}

    def texts(self, split: Split) -> dict[str, list[Message]]:
        """The messages of a split's items, by id; empty where the run has no such split."""
        file = run_files.split(split)
        exists = self.folder.exists(file)
        return {s.id: s.messages for s in self.folder.read_records(file, Sample)} if exists else {}

    def quotas(self) -> dict[int, list[GroupReport]]:
        """Quotas and accepted, rejected and unwritten samples, by iteration; only iterations that generated data."""
        files = {i: run_files.in_force(self.folder, run_files.quotas(i)) for i in range(1, len(self.models) + 1)}
        return {
            i: [GroupReport.model_validate(group) for group in self.folder.read_yaml(file) or []]
            for i, file in files.items()
            if self.folder.exists(file)
        }


class MissingRun(NamedTuple):
    """A cell of a sweep that cannot be read."""

    coordinates: dict[str, Label]
    reason: str


class SweepCell(NamedTuple):
    name: str
    run: Run | MissingRun

    @property
    def is_done(self) -> bool:
        return isinstance(self.run, Run) and self.run.final is not None


class Sweep(NamedTuple):
    folder: Folder
    name: str
    cells: list[SweepCell]
    design: Design = Design()
    seeds: tuple[Label, ...] = ()
    """Of the grid, in its order, where the design has looks: those that are not due yet have no cells."""

    @property
    def runs(self) -> list[Run]:
        """The runs that can be read, finished or not."""
        return [cell.run for cell in self.cells if isinstance(cell.run, Run)]


def read_run(folder: Folder, coordinates: dict[str, Label] | None = None) -> Run:
    """The run in a folder. Raises ConfigError when there is none, or when its config does not fit this version, and
    DamagedFile, here or when a file of the run is read."""
    if not folder.exists(run_files.CONFIG):
        raise ConfigError(f"{folder.url}: no run and no sweep here (neither {run_files.CONFIG} nor {SWEEP_FILE})")
    config = read_config(folder)
    started = has_begun(folder)
    # Taken before the state is read, so that a page never looks newer than its state.
    changed = folder.modified(FILE if started else run_files.CONFIG)
    state = read_state(folder) if started else RunState(name=config.name)
    return Run(
        RunFolder(folder.url), config, state, state.status if started else "prepared", coordinates or {}, changed
    )


def read_sweep(folder: Folder) -> Sweep:
    """The sweep in a folder, with every cell that its file lists, whatever its status."""
    listed = folder.read_yaml(SWEEP_FILE)
    cells = [_read_cell(folder, cell) for cell in listed["cells"]]
    return Sweep(folder, listed["name"], cells, read_design(listed), tuple(listed.get("seeds", ())))


def interval_over_items(score: Score) -> tuple[float, float]:
    """Wilson's 95% interval of an accuracy, in points. It covers other items for this one model, not other seeds."""
    n = score.samples - score.unscored
    share, z = (n - score.failures) / n, NormalDist().inv_cdf(0.975)
    twice = 2 * (n + z**2)
    centre, half = (2 * n * share + z**2) / twice, z / twice * math.sqrt(4 * n * share * (1 - share) + z**2)
    # Rounding would miss the ends.
    return 100 * (centre - half) if share > 0 else 0.0, 100 * (centre + half) if share < 1 else 100.0


def _read_cell(folder: Folder, cell: dict[str, Any]) -> SweepCell:
    name, coordinates = cell["name"], cell["coordinates"]
    place = Folder(folder.at(f"{CELLS}/{name}"))
    if not place.exists(run_files.CONFIG):
        return SweepCell(name, MissingRun(coordinates, "not begun"))
    try:
        check_run(place.url, leave_out=ADAPTER)  # which no report reads
        return SweepCell(name, read_run(place, coordinates))
    except (ConfigError, DamagedFile) as e:
        return SweepCell(name, MissingRun(coordinates, str(e)))

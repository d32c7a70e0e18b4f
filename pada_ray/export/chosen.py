"""Which of a run's models a user takes away: the best on val, or the one that is named."""

from __future__ import annotations

from typing import NamedTuple

from pada_ray.errors import ConfigError
from pada_ray.report.results import Run, read_run
from pada_ray.runs import run_files
from pada_ray.runs.sweep import FILE as SWEEP_FILE
from pada_ray.storage import Folder


class Chosen(NamedTuple):
    run: Run
    model: str  # base, iteration-0, ...

    @property
    def iteration(self) -> int | None:
        """None for the base model."""
        return None if self.model == run_files.BASE else int(self.model.rpartition("-")[2])

    @property
    def adapter(self) -> str | None:
        """The adapter's folder in the run's; None for the base model."""
        return None if self.iteration is None else run_files.adapter(self.iteration)

    @property
    def name(self) -> str:
        return f"{self.run.config.name}-{self.model}"


def name_elsewhere(model: str) -> str:
    """A Hub id, or the last part of a folder's path: an export goes to other machines."""
    return model.rstrip("/").rpartition("/")[2] if model.startswith(("/", ".", "~")) else model


def chosen_model(folder: Folder, model: str | None = None) -> Chosen:
    """The best model of the run in `folder`, or its model of that name.

    Raises ConfigError when there is no run, when the run has no such model, or none yet, and DamagedFile when a file
    of the run is not what the run wrote.
    """
    if folder.exists(SWEEP_FILE):
        raise ConfigError(f"{folder.url}: this is a sweep; name one of the runs under {folder.at('cells')}")
    run = read_run(folder)
    if model is not None and model not in run.models:
        raise ConfigError(f"--model {model}: no such model; use one of {', '.join(run.models) or 'none yet'}")
    found = model or run.state.best
    if found is None:
        raise ConfigError(
            f"{folder.url}: the run is not done, so its best model is not known; `pada resume {folder.url}` goes on, "
            "and --model names a model that it has"
        )
    chosen = Chosen(run, found)
    if chosen.adapter is not None and not folder.exists(f"{chosen.adapter}/adapter_config.json"):
        raise ConfigError(f"{folder.at(chosen.adapter)}: no adapter here (it has no adapter_config.json)")
    run.folder.check()
    return chosen

"""Before anything is spent: check the config and the data, and lay out the run's folder."""

from __future__ import annotations

import os
from pathlib import Path

from pada_ray import run_files
from pada_ray.config import Config, check_config, dump_config
from pada_ray.data import load_splits
from pada_ray.demo.domain import splits as demo_splits
from pada_ray.errors import ConfigError
from pada_ray.prompts import Prompts
from pada_ray.records import Sample, Split
from pada_ray.storage import Folder
from pada_ray.tasks import get_task

Samples = dict[Split, list[Sample]]


def prepare(config: Config) -> str:
    """Checks all that can be checked here and writes a new run's folder, whose path or URL it returns.

    Raises ConfigError or DataError.
    """
    Prompts(config.prompts)
    _check_keys(config)
    _check_student(config)
    samples = read_data(config)
    folder = _new_folder(config)
    folder.write_text(run_files.CONFIG, dump_config(config))
    for split, members in samples.items():
        folder.write_records(run_files.split(split), members)
    return folder.url


def read_config(run: str) -> Config:
    """The config of an existing run. Raises ConfigError when `run` holds none."""
    folder = Folder(run)
    if not folder.exists(run_files.CONFIG):
        raise ConfigError(f"{run}: no run here (it has no {run_files.CONFIG})")
    return check_config(folder.read_yaml(run_files.CONFIG), folder.at(run_files.CONFIG))


def read_data(config: Config) -> Samples:
    """The run's samples, checked. Raises DataError, naming file and line."""
    data = config.data
    if data.demo is not None:
        if data.task is not None:
            raise ConfigError("data.task: the demo domain has a task of its own; leave it out")
        drawn = demo_splits(
            config.seed,
            train_size=data.regime or 1000,
            eval_size=data.eval_samples or 500,
            absent=data.demo.absent,
        )
        return {split: [Sample.model_validate(s) for s in drawn[split]] for split in ("train", "val", "test")}
    if data.task is not None:
        get_task(data.task)
    assert data.train is not None
    assert data.val is not None
    splits = load_splits(data.train, data.val, data.test, data.task, data.regime, data.eval_samples, config.seed)
    samples: Samples = {"train": splits.train, "val": splits.val}
    return samples | ({"test": splits.test} if splits.test else {})


def cache_file(config: Config, run: str) -> str:
    """Where the replies of a run are kept: on this machine, whatever the run's folder is."""
    folder = Folder(run)
    if config.llm.cache is not None:
        place = Path(config.llm.cache)
    elif folder.is_local:
        place = Path(folder.url)
    else:
        place = Path.home() / ".cache" / "pada-ray" / folder.url.replace("://", "_").replace("/", "_")
    return str((place / run_files.REPLIES).resolve())


def _check_keys(config: Config) -> None:
    for role in ("teacher", "judge"):
        variable = getattr(config.llm, role).api_key_env
        if variable is not None and not os.environ.get(variable):
            raise ConfigError(f"llm.{role}.api_key_env: the environment variable {variable} is not set")


def _check_student(config: Config) -> None:
    model = config.student.model
    if model.startswith((".", "/", "~")) and not (Path(model) / "config.json").is_file():
        raise ConfigError(f"student.model: {model} is no model's folder (it has no config.json)")


def _new_folder(config: Config) -> Folder:
    """The first free of NAME, NAME-2, NAME-3, ... under `runs`."""
    runs = Folder(_absolute(config.runs))
    taken = set(runs.names())
    number = 1
    while (name := config.name if number == 1 else f"{config.name}-{number}") in taken:
        number += 1
    return Folder(runs.at(name))


def _absolute(runs: str) -> str:
    """A relative folder under `ray job submit` would go with the job's copy of the working folder, so there it counts
    from the home folder."""
    under_ray_job = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
    if "://" in runs or not under_ray_job or Path(runs).expanduser().is_absolute():
        return runs
    return str(Path.home() / runs)

"""A run from Python, as in a notebook: `from pada_ray import run`."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

from jobs.local.run_folder import prepare
from jobs.local.runner import drive
from jobs.run import rehearsed
from pada_ray.config import Config, check_config
from pada_ray.report.loaded import RunResults, load_run
from pada_ray.runs.configs import check_names, load

AnyConfig = Config | Mapping[str, Any] | str | PathLike[str]


def run(
    config: AnyConfig, *, rehearse: bool = False, new: bool = False, verbose: bool = False, probing: bool = True
) -> RunResults:
    """Runs PaDA-Agent as `pada run` does, on this machine or on the Ray cluster that RAY_ADDRESS names, and returns
    what came of it. Call it from the main thread.

    Args:
        config: a Config, its keys as a mapping, or the path of a YAML file.
        rehearse: the whole loop in small, without a key, as `pada run --rehearse`.
        new: begin another run, even if the last one of this name was stopped before its end.
        verbose: show Ray's own logs.
        probing: ask each LLM endpoint for a few tokens before the start.

    Raises:
        PadaError: what `pada run` would print as its one line. A run that has begun is kept, and
            `pada resume RUN` goes on with it.
    """
    checked = read(config)
    folder = prepare(rehearsed(checked) if rehearse else checked, new=new)
    drive(folder, verbose, probing=probing)
    return load_run(folder)


def read(config: AnyConfig) -> Config:
    """The config in any of the forms that `run` takes, checked. Raises ConfigError."""
    if isinstance(config, Config):
        check_names(config, "config")
        return config
    if isinstance(config, Mapping):
        return read(check_config(dict(config), "config"))
    return load(str(config))

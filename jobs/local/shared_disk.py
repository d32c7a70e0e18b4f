"""Refuse a run on a cluster whose nodes would not see its files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pada_ray.config import Config
from pada_ray.errors import ConfigError
from pada_ray.resources import other_nodes
from pada_ray.runs.configs import named_models
from pada_ray.storage import Folder


def check_shared_disk(configs: Mapping[str, Config]) -> None:
    """Raises ConfigError if other nodes would read or write a run that is on this machine's disk. `configs` are by run
    folder. Ray must be connected."""
    why = other_nodes()
    if why is not None:
        refuse_local_paths(configs, why)


def refuse_local_paths(configs: Mapping[str, Config], why: str) -> None:
    """As `check_shared_disk`. `why` tells in the error why other nodes take part."""
    for run, config in configs.items():
        if config.shared_disk:
            continue
        for key, path in _local_paths(run, config):
            raise ConfigError(
                f"{key}: {path} is on this machine's disk, and {why}; set shared_disk: true if all have it at the "
                f"same place, else {_instead(key)}"
            )


def _local_paths(run: str, config: Config) -> Iterator[tuple[str, str]]:
    """(key, path) of each local path that other nodes read or write."""
    kept = {"runs": run, "shared_stages": config.shared_stages}
    yield from ((key, path) for key, path in kept.items() if path is not None and Folder(path).is_local)
    under_ray_job = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
    for key, model in named_models(config).items():
        path = Path(os.path.expanduser(model))
        travels = under_ray_job and not path.is_absolute()  # with the job's working folder, to every node
        if path.is_dir() and not travels:
            yield key, model


def _instead(key: str) -> str:
    return "give a URL such as s3://bucket/runs" if key in ("runs", "shared_stages") else "give a model of a hub"

"""Check that a job will find the files its config names: those with relative paths travel with the working folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from jobs.remote.package import Package
from pada_ray.config import Config
from pada_ray.data.splits import read_each
from pada_ray.errors import ConfigError
from pada_ray.prompts import Prompts
from pada_ray.runs.configs import named_models


def check_files(configs: Sequence[Config], package: Package) -> None:
    """Raises ConfigError or DataError for a relative path that does not travel, and for prompts or data that travel but
    are wrong. Absolute paths and URLs belong to the cluster and are not checked."""
    for config in configs:
        for key, path in _paths(config):
            if not _is_elsewhere(path) and not package.holds(path):
                raise ConfigError(f"{key}: {_why(path, package)}")
    for config in configs:
        if config.prompts is not None and not _is_elsewhere(config.prompts):
            Prompts(config.prompts)
    for _ in read_each(config for config in configs if _data_is_here(config)):
        pass


def inside(path: str, package: Package) -> str:
    """A file's path as the job sees it. Raises ConfigError if the file does not travel."""
    relative = os.path.relpath(Path(path).absolute(), package.folder)
    if not package.holds(relative):
        raise ConfigError(_why(path, package))
    return relative


def _why(path: str, package: Package) -> str:
    if not (package.folder / path).exists():
        return f"{path}: no such file or folder in {package.folder}, the folder that travels with the job"
    return (
        f"{path} does not travel with the job; only {package.folder} does, without what .gitignore, .rayignore and Ray "
        "leave out; move it, or put it where the cluster's nodes can read it and give its absolute path or URL there"
    )


def _paths(config: Config) -> Iterator[tuple[str, str]]:
    """(key, path) of each file or folder that the config reads."""
    data = config.data
    named = {
        "data.file": data.file,
        "data.train": data.train,
        "data.val": data.val,
        "data.test": data.test,
        "data.folder": data.folder,
        "data.labels": data.labels if isinstance(data.labels, str) else None,
        "data.schema": data.value_schema,
        **{key: _as_folder(model) for key, model in named_models(config).items()},
        "prompts": config.prompts,
    }
    return ((key, path) for key, path in named.items() if path is not None)


def _as_folder(model: str) -> str | None:
    """The model if it is a folder; None if it is a Hub id."""
    return model if model.startswith((".", "/", "~")) or Path(model).is_dir() else None


def _is_elsewhere(path: str) -> bool:
    return "://" in path or path.startswith("~") or Path(path).is_absolute()


def _data_is_here(config: Config) -> bool:
    data = config.data
    beside = (data.labels if isinstance(data.labels, str) else None, data.value_schema)
    if any(_is_elsewhere(file) for file in beside if file is not None):
        return False
    if data.dataset is not None:
        return data.folder is not None and not _is_elsewhere(data.folder)
    files: Iterable[str | None] = (data.file, data.train, data.val, data.test)
    return not any(_is_elsewhere(file) for file in files if file is not None)

"""A run's config with its names looked up in their tables, which `config/` does not know."""

from __future__ import annotations

import os
from collections.abc import Iterable

from pada_ray.config import Config, check_config, load_config, put
from pada_ray.data.paper_sets import DATASETS
from pada_ray.errors import ConfigError, DamagedFile
from pada_ray.methods import METHODS
from pada_ray.runs import run_files
from pada_ray.runs.checksums import agrees_with_header
from pada_ray.storage import Folder
from pada_ray.student.evaluation import BACKENDS

_SHIPPED = {"student.model": "demo", "pattern_analysis.embedding": "tfidf"}  # which no folder of that name replaces


def load(path: str, overrides: list[str] | None = None) -> Config:
    """The config in a YAML file, with `a.b=value` overrides over it. Raises ConfigError, naming the key."""
    config = load_config(path, overrides)
    check_names(config, path)
    return config


def read_config(folder: Folder) -> Config:
    """The config that a run was made with. Raises ConfigError where the folder holds no run, or a config that does not
    hold any more, and DamagedFile for one that is not what was written."""
    if not folder.exists(run_files.CONFIG):
        raise ConfigError(f"{folder.url}: no run here (it has no {run_files.CONFIG})")
    if not agrees_with_header(folder.read_bytes(run_files.CONFIG)):
        raise DamagedFile(
            f"{folder.at(run_files.CONFIG)}: damaged: its content is not what was written; restore it; keys that may "
            f"change are changed by `pada resume {folder.url} --set KEY=VALUE`"
        )
    raw = folder.read_yaml(run_files.CONFIG)
    if not isinstance(raw, dict):
        raise DamagedFile(f"{folder.at(run_files.CONFIG)}: damaged: it holds no keys; restore it")
    return check_config(raw, folder.at(run_files.CONFIG))


def with_own_prompts(config: Config, run: Folder) -> Config:
    """The config with the templates that the run took along. The user's own may be gone or changed by now, their path
    counts from where the run began, and other nodes do not see them."""
    return config.model_copy(update={"prompts": run.at(run_files.PROMPTS)}) if run.exists(run_files.PROMPTS) else config


def named_models(config: Config) -> dict[str, str]:
    """By key: the models that may be folders. Those that come with the packages, and what another server calls its
    model, are none."""
    named = {"student.model": config.student.model, "pattern_analysis.embedding": config.pattern_analysis.embedding}
    endpoints = {"llm.teacher.model": config.llm.teacher, "llm.judge.model": config.llm.judge}
    served = {key: endpoint.model for key, endpoint in endpoints.items() if endpoint.base_url == "vllm"}
    return {key: model for key, model in named.items() if model != _SHIPPED[key]} | served


def with_absolute_models(config: Config, before: Config | None = None) -> Config:
    """The config with absolute paths of the models that are folders here, so that they are found from anywhere. What is
    no folder here, such as an id of the Hub, stays as it is, and so does what `before` names too."""
    stays = {} if before is None else named_models(before)
    new = {key: model for key, model in named_models(config).items() if stays.get(key) != model}
    relative = {key: model for key, model in new.items() if _is_relative_folder(model)}
    if not relative:
        return config
    raw = config.model_dump(mode="json")
    for key, model in relative.items():
        put(raw, key, os.path.abspath(model), "config")
    return check_config(raw, "config")


def _is_relative_folder(model: str) -> bool:
    return os.path.isdir(model) and not os.path.isabs(os.path.expanduser(model))


def check_names(config: Config, source: str) -> None:
    """Raises ConfigError, naming `source` and the key, for a name that its table does not have."""
    _look_up(config.method, METHODS, f"{source}: method")
    _look_up(config.evaluation.backend, BACKENDS, f"{source}: evaluation.backend")
    if config.data.dataset is not None:
        _look_up(config.data.dataset, DATASETS, f"{source}: data.dataset")


def _look_up(name: str, table: Iterable[str], key: str) -> None:
    if name not in table:
        raise ConfigError(f"{key}: {name!r} is unknown; use one of {', '.join(table)}")

"""A run's config with its names looked up in their tables, which `config/` does not know."""

from __future__ import annotations

from collections.abc import Iterable

from pada_ray.config import Config, check_config, load_config
from pada_ray.data.paper_sets import DATASETS
from pada_ray.errors import ConfigError, DamagedFile
from pada_ray.methods import METHODS
from pada_ray.runs import run_files
from pada_ray.runs.checksums import agrees_with_header
from pada_ray.storage import Folder
from pada_ray.student.evaluation import BACKENDS


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


def check_names(config: Config, source: str) -> None:
    """Raises ConfigError, naming `source` and the key, for a name that its table does not have."""
    _look_up(config.method, METHODS, f"{source}: method")
    _look_up(config.evaluation.backend, BACKENDS, f"{source}: evaluation.backend")
    if config.data.dataset is not None:
        _look_up(config.data.dataset, DATASETS, f"{source}: data.dataset")


def _look_up(name: str, table: Iterable[str], key: str) -> None:
    if name not in table:
        raise ConfigError(f"{key}: {name!r} is unknown; use one of {', '.join(table)}")

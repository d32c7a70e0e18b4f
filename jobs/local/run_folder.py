"""The folder of a run: laid out before the run begins, and where the replies to its calls are kept."""

from __future__ import annotations

import os
import re
from pathlib import Path

from jobs.local.checks import check
from jobs.local.lock import locked
from jobs.local.ray_session import check_cluster
from pada_ray.config import CHANGEABLE, Config, check_config, dump_config, lay_over
from pada_ray.data.splits import Samples, read_data
from pada_ray.errors import ConfigError
from pada_ray.llm.reply_transfer import take_along
from pada_ray.prompts import read_templates
from pada_ray.run import run_files
from pada_ray.run.configs import read_config
from pada_ray.run.state import FILE as STATE
from pada_ray.storage import Folder, as_lines


def prepare(config: Config) -> str:
    """Checks all that can be checked here and lays out a new run, whose folder or URL it returns.

    Raises ConfigError, DataError or NoCluster.
    """
    check_cluster()
    samples = read_data(config)
    check(config, samples)
    return lay_out(config, samples, new_folder(config))


def lay_out(config: Config, samples: Samples, folder: Folder) -> str:
    """Writes a run's config, samples and own prompts into its folder, whose path or URL it returns.

    Raises ConfigError where a run has begun there with other samples or prompts, or another process is at work on it.
    """
    files = {run_files.split(split): as_lines(members) for split, members in samples.items()}
    templates = read_templates(config.prompts) if config.prompts else {}
    files |= {f"{run_files.PROMPTS}/{name}": template for name, template in templates.items()}
    with locked([folder.url]):
        has_begun = folder.exists(STATE)
        for file, text in files.items():
            if not has_begun:
                folder.write_text(file, text)
            elif not folder.exists(file) or folder.read_text(file) != text:
                raise ConfigError(
                    f"{folder.at(file)}: the run began with another content, so that its results would be of both; "
                    "bring that back, or give another name (--set name=...)"
                )
        _write_config(folder, config)
    return folder.url


def check_changes(overrides: list[str]) -> None:
    """Raises ConfigError for an override that would make a run another experiment."""
    for override in overrides:
        if re.split(r"[.=]", override)[0] not in CHANGEABLE:
            raise ConfigError(
                f"--set {override}: a run goes on with its own settings; only llm, budget and shared_disk may change"
            )


def change_config(run: str, overrides: list[str]) -> None:
    """Lays overrides over an existing run's config, where they cannot make it another experiment.

    Raises ConfigError, also where another process is at work on the run.
    """
    check_changes(overrides)
    folder = Folder(run)
    with locked([folder.url]):
        raw = read_config(folder).model_dump(mode="json")
        for override in overrides:
            lay_over(raw, override)
        _write_config(folder, check_config(raw, folder.at(run_files.CONFIG)))


def _write_config(folder: Folder, config: Config) -> None:
    """Of a run that has begun already, what it has paid for comes along to where this config has it."""
    if folder.exists(run_files.CONFIG):
        take_along(cache_file(read_config(folder), folder.url), cache_file(config, folder.url))
    folder.write_text(run_files.CONFIG, dump_config(config))


def new_folder(config: Config) -> Folder:
    """The first free of NAME, NAME-2, NAME-3, ... under `runs`."""
    runs = Folder(lasting(config.runs))
    taken = set(runs.names())
    number = 1
    while (name := config.name if number == 1 else f"{config.name}-{number}") in taken:
        number += 1
    return Folder(runs.at(name))


def lasting(path: str) -> str:
    """The path or URL at which a run is kept. In a Ray job the working folder is a copy that goes with the job, so
    there a relative path counts from the home folder."""
    under_ray_job = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
    if "://" in path or not under_ray_job:
        return path
    return str(Path.home() / Path(path).expanduser())


def cache_file(config: Config, run: str) -> str:
    """Where the replies of a run are kept on this machine, which is where its calls are made."""
    folder = _reply_folder(config, run)
    place = Path(folder.url)
    if _is_elsewhere(folder, config):
        place = Path.home() / ".cache" / "pada-ray" / "replies" / folder.url.replace("://", "/").lstrip("/")
    return str((place / run_files.REPLIES).resolve())


def cache_copy(config: Config, run: str) -> str | None:
    """The folder or URL where a copy of the replies is kept, so that they outlive this machine. None: `cache_file`
    itself lies where it should."""
    folder = _reply_folder(config, run)
    return folder.at(run_files.COPIED_REPLIES) if _is_elsewhere(folder, config) else None


def _reply_folder(config: Config, run: str) -> Folder:
    return Folder(run if config.llm.cache is None else lasting(config.llm.cache))


def _is_elsewhere(folder: Folder, config: Config) -> bool:
    """Whether it is no place for SQLite, which wants a disk of this machine's own."""
    return not folder.is_local or config.shared_disk

"""A run's folder: how it is laid out before the run starts, and where the replies to the run's calls are kept."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path

from jobs.local.checks import check, check_fit
from jobs.local.lock import locked
from jobs.local.ray_session import check_cluster
from jobs.local.unfinished import refuse_unfinished
from pada_ray.config import Config, check_config, dump_config, lay_over
from pada_ray.data.given import knowledge_of
from pada_ray.data.splits import Samples, read_data
from pada_ray.errors import ConfigError, StorageError
from pada_ray.llm.reply_transfer import take_along
from pada_ray.prompts import read_templates
from pada_ray.runs import run_files
from pada_ray.runs.changes import check_not_begun, check_section
from pada_ray.runs.checksums import with_header
from pada_ray.runs.configs import read_config, with_absolute_models
from pada_ray.runs.state import FILE as STATE
from pada_ray.runs.state import RunState, read_state
from pada_ray.storage import Folder, as_lines
from pada_ray.tasks import Knowledge


def prepare(config: Config, *, new: bool = False) -> str:
    """Checks the config and its samples, lays out a new run, and returns the path or URL of its folder.

    Raises ConfigError, DataError or NoCluster: unless `new` is given, also if the last run of this name has the same
    settings and stands still before its end.
    """
    check_cluster()
    if not new and (last := _last_folder(config)) is not None:
        refuse_unfinished(config, last)
    samples = read_data(config)
    check(config, samples)
    return lay_out(config, samples, new_folder(config))


def lay_out(config: Config, samples: Samples, folder: Folder) -> str:
    """Writes a run's config, samples, what is known of its task, and own prompts into its folder, and returns the
    folder's path or URL.

    Raises ConfigError if that run started with other samples or prompts, or if another process is at work on it.
    """
    files = {run_files.split(split): as_lines(members) for split, members in samples.items()}
    known = knowledge_of(config.data, samples["train"])
    files |= {run_files.KNOWLEDGE: known.model_dump_json(indent=1)} if known != Knowledge() else {}
    templates = read_templates(config.prompts) if config.prompts else {}
    files |= {f"{run_files.PROMPTS}/{name}": template for name, template in templates.items()}
    with locked([folder.url]):
        has_begun = folder.exists(STATE)
        for file, text in files.items():
            if not has_begun:
                folder.write_text(file, text)
            elif not folder.exists(file) or folder.read_text(file) != text:
                raise ConfigError(
                    f"{folder.at(file)}: the run started with different content; its results would mix the two; "
                    "restore it, or give another name (--set name=...)"
                )
        _write_config(folder, _from_anywhere(config))
    return folder.url


def check_changes(overrides: list[str]) -> None:
    """Raises ConfigError for an override of a key that may never change after a run has started."""
    for override in overrides:
        check_section(_section(override), override)


def change_config(run: str, overrides: list[str]) -> None:
    """Applies overrides to an existing run's config.

    Raises ConfigError for a key that may not change, and if another process is at work on the run.
    """
    check_changes(overrides)
    folder = Folder(run)
    with locked([folder.url]):
        state = read_state(folder) if folder.exists(STATE) else None
        _write_config(folder, changed_config(folder, overrides, state))


def changed_config(folder: Folder, overrides: list[str], state: RunState | None) -> Config:
    """The config of a run with overrides over it. Raises ConfigError for a key that may not change in a run that stands
    at `state`."""
    config = read_config(folder)
    raw = config.model_dump(mode="json")
    for override in overrides:
        if state is not None:
            check_not_begun(_section(override), override, config, state)
        lay_over(raw, override)
    changed = check_config(raw, folder.at(run_files.CONFIG))
    check_fit(changed, run_files.read_samples(folder, changed.data.task))
    return _from_anywhere(changed, config)


def _section(override: str) -> str:
    return re.split(r"[.=]", override)[0]


def _write_config(folder: Folder, config: Config) -> None:
    """Writes the config. Replies of an existing run are copied to where the new config keeps them."""
    if folder.exists(run_files.CONFIG):
        take_along(cache_file(read_config(folder), folder.url), cache_file(config, folder.url))
    folder.write_text(run_files.CONFIG, with_header(dump_config(config)))


def _from_anywhere(config: Config, before: Config | None = None) -> Config:
    """The config with folders of models, replies and shared stages that are found from wherever the run is resumed.
    What `before` has too stays as it is: in an older run it may not count from here. Under a Ray job all of it stays:
    models count from its working folder, and `lasting` says where the others do."""
    if _under_ray_job():
        return config
    config = with_absolute_models(config, before)
    if before is not None and config.llm.cache == before.llm.cache:
        return config
    llm = config.llm.model_copy(update={"cache": _absolute(config.llm.cache)})
    return config.model_copy(update={"llm": llm, "shared_stages": _absolute(config.shared_stages)})


def _absolute(path: str | None) -> str | None:
    return None if path is None else Folder(path).url


def new_folder(config: Config) -> Folder:
    """The first free folder of NAME, NAME-2, NAME-3, ... under `runs`. On a disk it is made, so that of two commands at
    once each gets one of its own."""
    for number in itertools.count(_taken(config) + 1):
        folder = Folder(Folder(lasting(config.runs)).at(_name(config, number)))
        if not folder.is_local or _made(Path(folder.url)):
            return folder
    raise AssertionError("there is always a higher number")


def _made(folder: Path) -> bool:
    """Makes a folder; False where another command was first."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
    except FileExistsError as e:
        if e.filename != str(folder):
            raise StorageError(f"{e.filename}: this is a file; runs are kept in a folder") from None
        return False
    except OSError as e:
        raise StorageError(f"{e.filename}: {e.strerror}") from None
    return True


def _last_folder(config: Config) -> Folder | None:
    """The last folder of NAME, NAME-2, NAME-3, ... that is taken; None where all are free."""
    taken = _taken(config)
    return Folder(Folder(lasting(config.runs)).at(_name(config, taken))) if taken else None


def _taken(config: Config) -> int:
    """How many of NAME, NAME-2, NAME-3, ... are taken, up to the first free one."""
    names = set(Folder(lasting(config.runs)).names())
    return next(number for number in itertools.count() if _name(config, number + 1) not in names)


def _name(config: Config, number: int) -> str:
    return config.name if number == 1 else f"{config.name}-{number}"


def lasting(path: str) -> str:
    """The path or URL at which a run is kept. A Ray job's working folder is deleted with the job, so there a relative
    path counts from the home folder."""
    if "://" in path or not _under_ray_job():
        return path
    return str(Path.home() / os.path.expanduser(path))


def _under_ray_job() -> bool:
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ


def cache_file(config: Config, run: str) -> str:
    """The file with a run's replies on this machine, which makes the run's calls."""
    folder = _reply_folder(config, run)
    place = Path(folder.url)
    if _is_elsewhere(folder, config):
        place = Path.home() / ".cache" / "pada-ray" / "replies" / folder.url.replace("://", "/").lstrip("/")
    return str((place / run_files.REPLIES).resolve())


def cache_copy(config: Config, run: str) -> str | None:
    """The folder or URL for a copy of the replies that outlives this machine. None: `cache_file` needs no copy."""
    folder = _reply_folder(config, run)
    return folder.at(run_files.COPIED_REPLIES) if _is_elsewhere(folder, config) else None


def _reply_folder(config: Config, run: str) -> Folder:
    return Folder(run if config.llm.cache is None else lasting(config.llm.cache))


def _is_elsewhere(folder: Folder, config: Config) -> bool:
    """Whether `folder` is not on this machine's own disk, which SQLite needs."""
    return not folder.is_local or config.shared_disk

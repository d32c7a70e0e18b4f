"""A run that has not come to its end: what stands in the way, and how to go on."""

from __future__ import annotations

from jobs.local.lock import is_at_work
from pada_ray.config import CHANGEABLE, Config
from pada_ray.errors import ConfigError, PadaError
from pada_ray.runs.configs import read_config, with_absolute_models
from pada_ray.runs.run_folder import has_begun
from pada_ray.runs.state import RunState, read_state
from pada_ray.storage import Folder


def status_of(run: str, config: Config, state: RunState) -> str:
    """The status of a run. One that was killed has not said so itself: its state says `running`, and no process holds
    its lock. On a disk of several machines the lock may be another machine's, so there the state alone is believed."""
    killed = state.status == "running" and not config.shared_disk and is_at_work(run) is False
    return "stopped" if killed else state.status


def how_to_go_on(run: str, status: str) -> str:
    """One line; empty for a run that is under way or done."""
    return "" if status in ("running", "done") else f"`pada resume {run}` goes on after its last finished stage"


def refuse_unfinished(config: Config, run: Folder) -> None:
    """Raises ConfigError if `run` has begun with the settings of `config`, and stands still before its end. To begin
    another would do and pay again what is done. Keys that may change when a run is resumed do not count, nor does where
    stages are shared."""
    try:
        if not has_begun(run):
            return
        before, state = read_config(run), read_state(run)
    except PadaError:  # of another version, or damaged
        return
    status = status_of(run.url, before, state)
    if status in ("running", "done") or _settings(before) != _settings(config):
        return
    raise ConfigError(
        f"{run.url}: a run with these settings is {status} at {state.stage}; `pada resume {run.url}` goes on, and "
        "--new begins another one from zero"
    )


def _settings(config: Config) -> dict[str, object]:
    return with_absolute_models(config).model_dump(mode="json", exclude={"shared_stages", *CHANGEABLE})

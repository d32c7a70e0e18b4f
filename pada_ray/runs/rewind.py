"""Undo finished stages of a run, so that resuming does them again: `pada resume RUN --from STAGE`.

Replies that are paid for stay where they are, so what asks the same again costs nothing.
"""

from __future__ import annotations

from pada_ray.errors import ConfigError, DamagedFile
from pada_ray.runs import run_files
from pada_ray.runs.event_log import FILE as EVENTS
from pada_ray.runs.state import FILE, START, RunState, read_state, write_state
from pada_ray.storage import Folder
from pada_ray.student.checkpoints import CHECKPOINTS


def rewind(folder: Folder, stage: str) -> list[str]:
    """Undoes `stage` and what depends on it, and returns the names of the stages that are undone. `start` undoes all,
    and needs no state.

    Raises ConfigError for a stage that the run has not finished.
    """
    state = _state(folder, stage)
    undone = _undone(state, stage)
    for model in {name.partition(":")[0] for name in undone}:
        state.counts.pop(model, None)
        if model != run_files.BASE:  # the first of the scores, and it stays there
            state.scores.pop(model, None)
    gone = [path for path, file in state.files.items() if file.stage in undone]
    gone += [state.finished[name].output for name in undone]
    state.files = {path: file for path, file in state.files.items() if path not in gone}
    state.finished = {name: done for name, done in state.finished.items() if name not in undone}
    state.usage = []  # the account knows; without its file what it held is lost
    state.status, state.stage, state.best, state.error = "paused", stage, None, None
    # The state goes first: a run that is killed here finds no finished stage without its files.
    write_state(folder, state)
    for path in [*gone, CHECKPOINTS]:
        folder.remove(path)
    return undone


def _state(folder: Folder, stage: str) -> RunState:
    """The run's state; where that is damaged and all is done again, one that has finished nothing."""
    try:
        if folder.exists(FILE):
            return read_state(folder)
    except DamagedFile:
        if stage != START:
            raise
    if stage != START or not folder.exists(EVENTS):
        raise ConfigError(f"--from {stage}: the run has not begun; leave --from out")
    for name in folder.names():
        if name == run_files.BASE or name.startswith(run_files.model(0)[:-1]):
            folder.remove(name)
    return RunState(name=run_files.run_name(folder.url))


def _undone(state: RunState, stage: str) -> list[str]:
    """Stages finish in the order in which they need each other, but nothing needs the base model's evaluation except
    its grading."""
    finished = list(state.finished)
    if stage == START:
        return finished
    if stage not in finished:
        raise ConfigError(
            f"--from {stage}: the run has not finished such a stage; use {START}"
            + "".join(f", '{name}'" for name in finished)
        )
    later = finished[finished.index(stage) :]
    base = f"{run_files.BASE}:"
    return [name for name in later if name.startswith(base)] if stage.startswith(base) else later

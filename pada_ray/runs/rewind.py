"""Undo finished stages of a run, so that resuming does them again: `pada resume RUN --from STAGE`.

Replies that are paid for stay where they are, so what asks the same again costs nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from pada_ray.errors import ConfigError, DamagedFile
from pada_ray.runs import run_files
from pada_ray.runs.event_log import FILE as EVENTS
from pada_ray.runs.stage_names import parts_of
from pada_ray.runs.state import FILE, START, RunState, read_state, write_state
from pada_ray.storage import Folder
from pada_ray.student.checkpoints import CHECKPOINTS


class Rewound(NamedTuple):
    """A run as it stands when it is taken back."""

    state: RunState
    undone: list[str]  # stages
    gone: list[str]  # files and folders


def rewind(folder: Folder, stage: str) -> list[str]:
    """Undoes `stage` and what depends on it, and returns the names of the stages that are undone. `start` undoes all,
    and needs no state.

    Raises ConfigError for a stage that the run has not finished.
    """
    after = rewound(folder, stage)
    # The state goes first: a run that is killed here finds no finished stage without its files.
    write_state(folder, after.state)
    for path in [*after.gone, CHECKPOINTS]:
        folder.remove(path)
    return after.undone


def rewound(folder: Folder, stage: str) -> Rewound:
    """What `rewind` would do. Raises as it does."""
    state, gone = _state(folder, stage)
    undone = _undone(state, stage)
    for model in {parts_of(name).model for name in undone}:
        state.counts.pop(model, None)
        state.warnings = {sign: told for sign, told in state.warnings.items() if not sign.startswith(f"{model}:")}
        if model != run_files.BASE:  # the first of the scores, and it stays there
            state.scores.pop(model, None)
    gone += [path for path, file in state.files.items() if file.stage in undone]
    gone += [state.finished[name].output for name in undone]
    under_way = [] if state.stage in state.finished else [state.stage]
    gone += [path for name in [*undone, *under_way] for path in run_files.beside(name)]
    state.files = {path: file for path, file in state.files.items() if path not in gone}
    state.finished = {name: done for name, done in state.finished.items() if name not in undone}
    state.usage = []  # the account knows; without its file what it held is lost
    state.status, state.stage, state.best, state.error = "paused", stage, None, None
    return Rewound(state, undone, gone)


def _state(folder: Folder, stage: str) -> tuple[RunState, list[str]]:
    """The run's state; where that is damaged and all is done again, one that has finished nothing, and the folders of
    the models."""
    try:
        if folder.exists(FILE):
            return read_state(folder), []
    except DamagedFile:
        if stage != START:
            raise
    if stage != START or not folder.exists(EVENTS):
        raise ConfigError(f"--from {stage}: the run has not begun; leave --from out")
    models = [n for n in folder.names() if n == run_files.BASE or n.startswith(run_files.model(0)[:-1])]
    return RunState(name=run_files.run_name(folder.url)), models


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
    if parts_of(stage).model != run_files.BASE:
        return later
    return [name for name in later if parts_of(name).model == run_files.BASE]

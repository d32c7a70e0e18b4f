"""The shared state of a run (the orchestrator's, section 2.1): one file beside the files that hold what each stage
made."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pada_ray.errors import DamagedFile
from pada_ray.llm.chat import Usage
from pada_ray.records import Prediction, Split
from pada_ray.runs.checksums import StoredFile, sha256
from pada_ray.storage import Folder

FILE = "state.json"
START = "start"  # stage of a run that has just begun


class Score(BaseModel):
    """How a model did on one split."""

    model_config = ConfigDict(extra="forbid")

    samples: int
    failures: int
    truncated: int  # replies that reached the token limit without ending their turn
    unscored: int = 0  # replies for which no reply of the judge could be read

    @property
    def error_rate(self) -> float:
        """Share of all replies that are known to fail, 0 to 1."""
        return self.failures / self.samples

    @property
    def accuracy(self) -> float:
        """Share of the scored replies that do not fail, 0 to 1; nan where none is scored."""
        scored = self.samples - self.unscored
        return 1 - self.failures / scored if scored else math.nan


def scores_of(predictions: Sequence[Prediction]) -> dict[Split, Score]:
    """A score for each split that there are predictions of."""
    by_split: dict[Split, list[Prediction]] = {}
    for prediction in predictions:
        by_split.setdefault(prediction.split, []).append(prediction)
    return {
        split: Score(
            samples=len(members),
            failures=sum(p.failed is True for p in members),
            truncated=sum(p.truncated for p in members),
            unscored=sum(p.failed is None for p in members),
        )
        for split, members in by_split.items()
    }


class FinishedStage(BaseModel):
    model_config = ConfigDict(extra="forbid")

    output: str  # the file or folder that it wrote
    seconds: float
    shared: bool = False
    """Another run had done it, or was doing it."""


class RunState(BaseModel):
    """Everything about a run that is not the content of its files."""

    model_config = ConfigDict(extra="forbid")

    checksum: str = ""
    """Of the file, as it is without it. Files of version 0.1 have none."""
    name: str
    status: Literal["running", "waiting for review", "paused", "stopped", "failed", "done"] = "running"
    """`paused`: its budget is reached, an endpoint is down, or the loop goes nowhere (`stop_if`). `stopped`: by Ctrl-C,
    a signal or a closed terminal."""
    stage: str = START
    iteration: int = 0
    judged: bool = False
    """Whether some sample's task leaves it to the judge what fails, so that models are graded."""
    finished: dict[str, FinishedStage] = Field(default_factory=dict)
    files: dict[str, StoredFile] = Field(default_factory=dict)
    """What the run was laid out with, and what each finished stage wrote, by path. Runs of version 0.1 have none."""
    scores: dict[str, dict[Split, Score]] = Field(default_factory=dict)
    """By model: `base`, `iteration-0` (vanilla fine-tuning), `iteration-1`, ..."""
    counts: dict[str, dict[str, int]] = Field(default_factory=dict)
    """By iteration: failures analysed, clusters, patterns, strategies, accepted, rejected, leaks, ..."""
    warnings: dict[str, str] = Field(default_factory=dict)
    """Signs of a loop that goes nowhere (`conditions.py`), in words, by model and condition."""
    best: str | None = None
    """The model with the best val accuracy."""
    usage: list[Usage] = Field(default_factory=list)
    error: str | None = None


def read_state(folder: Folder) -> RunState:
    """The state of the run in `folder`, which has begun. Raises DamagedFile."""
    data = folder.read_bytes(FILE)
    try:
        state = RunState.model_validate_json(data)
    except ValueError:
        raise damaged_state(folder, "it cannot be read") from None
    if state.checksum and sha256(data.replace(_sealed(state.checksum), _sealed(""), 1)) != state.checksum:
        raise damaged_state(folder, "its content is not what was written")
    return state.model_copy(update={"checksum": ""})


def write_state(folder: Folder, state: RunState) -> None:
    """Writes a state with its checksum."""
    folder.write_bytes(FILE, state_file(state))


def state_file(state: RunState) -> bytes:
    """What the file of a state holds: the state with its checksum."""
    data = state.model_dump_json(indent=1).encode()
    return data.replace(_sealed(""), _sealed(sha256(data)), 1)


def damaged_state(folder: Folder, wrong: str) -> DamagedFile:
    return DamagedFile(
        f"{folder.at(FILE)}: damaged: {wrong}; `pada resume {folder.url} --from {START}` does every stage again; "
        "replies that are paid for stay"
    )


def _sealed(checksum: str) -> bytes:
    return f'"checksum": {json.dumps(checksum)}'.encode()


def is_done(folder: Folder) -> bool:
    """Whether the run in `folder` has come to its end."""
    return folder.exists(FILE) and read_state(folder).status == "done"

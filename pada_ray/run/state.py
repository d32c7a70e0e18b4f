"""The shared state of a run (the orchestrator's, section 2.1) and how it is kept: one file, written after every
transition, beside the files that hold what each stage made."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from pada_ray.errors import BudgetReached, one_line, root_cause
from pada_ray.llm.chat import Usage
from pada_ray.records import Split
from pada_ray.run.event_log import Event, EventLog, EventName
from pada_ray.run.shared_stages import StageStore
from pada_ray.storage import Folder

T = TypeVar("T")

FILE = "state.json"


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


class FinishedStage(BaseModel):
    model_config = ConfigDict(extra="forbid")

    output: str  # the file or folder that it wrote
    seconds: float
    shared: bool = False
    """Another run had done it, or was doing it."""


class RunState(BaseModel):
    """Everything about a run that is not the content of its files."""

    model_config = ConfigDict(extra="forbid")

    name: str
    status: Literal["running", "paused", "failed", "done"] = "running"
    """`paused`: its budget is reached."""
    stage: str = "start"
    iteration: int = 0
    finished: dict[str, FinishedStage] = Field(default_factory=dict)
    scores: dict[str, dict[Split, Score]] = Field(default_factory=dict)
    """By model: `base`, `iteration-0` (vanilla fine-tuning), `iteration-1`, ..."""
    counts: dict[str, dict[str, int]] = Field(default_factory=dict)
    """By iteration: failures analysed, clusters, patterns, strategies, accepted, rejected, leaks, ..."""
    best: str | None = None
    """The model with the best val accuracy."""
    usage: list[Usage] = Field(default_factory=list)
    error: str | None = None


def read_state(folder: Folder) -> RunState:
    """The state of the run in `folder`, which has begun."""
    return RunState.model_validate_json(folder.read_text(FILE))


def is_done(folder: Folder) -> bool:
    """Whether the run in `folder` has come to its end."""
    return folder.exists(FILE) and read_state(folder).status == "done"


class StateKeeper:
    """Runs stages once: what is finished is read back, what is not is done and written down. With a `store`, what
    another run has done is taken from there. `notice` is told every event of the run."""

    def __init__(
        self,
        folder: Folder,
        name: str,
        store: StageStore | None = None,
        notice: Callable[[Event], None] = lambda event: None,
    ):
        self.folder = folder
        self._store = store
        self._log = EventLog(folder, notice)
        self._known = folder.exists(FILE)
        self.state = read_state(folder) if self._known else RunState(name=name)
        self.stage_began = time.time()

    def begin(self) -> None:
        """The run goes on from wherever it stands."""
        self._transition(status="running", error=None)
        if self._known:
            self.tell("run resumed", finished_stages=len(self.state.finished))
        else:
            self.tell("run began")

    def stop(self, error: BaseException) -> None:
        """The run cannot go on: it has failed, or is paused where its budget is reached."""
        root = root_cause(error)
        told = one_line(root, most=2000)
        paused = isinstance(root, BudgetReached)
        self._transition(status="paused" if paused else "failed", error=told)
        self.tell("run paused" if paused else "run failed", error=told)

    def end(self, best: str) -> None:
        self._transition(status="done", stage="done", best=best)
        self.tell("run ended", best=best)

    def tell(self, event: EventName, **figures: Any) -> None:
        """Puts an event into the run's log."""
        self._log.add(event, self.state.stage, **figures)

    async def stage(
        self,
        name: str,
        output: str,
        work: Callable[[], Awaitable[T]],
        save: Callable[[T], None],
        load: Callable[[], T],
        content: str | None = None,
    ) -> T:
        """What stage `name` gives: loaded if it is finished, else worked out, saved, and marked as finished.

        `save` writes `output`, a file or folder beside which it writes nothing that `load` needs; a run that dies
        before the mark does the stage again. `content` is the hash of all that the result depends on, for stages that
        runs may have in common.
        """
        if name in self.state.finished:
            return load()
        self._transition(stage=name)
        self.tell("stage began")

        async def work_and_save() -> T:
            result = await work()
            save(result)
            return result

        shared = False
        if self._store is None or content is None:
            result = await work_and_save()
        elif await self._store.fetch(content, self.folder, output):
            result, shared = load(), True
        else:
            async with self._store.working_on(content, self.folder, output):
                result = await work_and_save()
        seconds = round(time.time() - self.stage_began, 2)
        self.state.finished[name] = FinishedStage(output=output, seconds=seconds, shared=shared)
        self.write()
        self.tell("stage ended", seconds=seconds, shared=shared)
        return result

    def _transition(self, **changes: Any) -> None:
        for field, value in changes.items():
            setattr(self.state, field, value)
        self.stage_began = time.time()
        self.write()

    def write(self) -> None:
        self.folder.write_text(FILE, self.state.model_dump_json(indent=1))

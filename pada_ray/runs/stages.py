"""Stages, which a run does once: what is finished is read back, what is not is done and written down."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar

from pada_ray.errors import PAUSES, ReviewDue, StorageError, lost_process, one_line, root_cause
from pada_ray.records import Record
from pada_ray.runs import run_files
from pada_ray.runs.checksums import StoredFile, stored
from pada_ray.runs.event_log import Event, EventLog, EventName
from pada_ray.runs.run_folder import RunFolder
from pada_ray.runs.shared_stages import StageStore
from pada_ray.runs.state import FILE, START, FinishedStage, RunState, read_state, write_state
from pada_ray.storage import Folder

LAID_OUT = ("data", run_files.PROMPTS)  # folders that a run has before it begins

T = TypeVar("T")
R = TypeVar("R", bound=Record)


class Output(Protocol[T]):
    """What a stage leaves in the run's folder: `path` is a file or a folder. With a store of stages that runs share,
    `save` writes nothing beside it that `load` needs."""

    @property
    def path(self) -> str: ...
    def save(self, result: T, /) -> None: ...
    def load(self) -> T: ...


class Records(Generic[R]):
    """One file of records, JSON lines or YAML by its name."""

    def __init__(self, folder: Folder, path: str, kind: type[R]):
        self.path = path
        self._folder = folder
        self._kind = kind

    def save(self, records: list[R]) -> None:
        if self.path.endswith(".yaml"):
            self._folder.write_yaml(self.path, [r.model_dump(mode="json") for r in records])
        else:
            self._folder.write_records(self.path, records)

    def load(self) -> list[R]:
        if self.path.endswith(".yaml"):
            return [self._kind.model_validate(value) for value in self._folder.read_yaml(self.path) or []]
        return self._folder.read_records(self.path, self._kind)


class StageKeeper:
    """Keeps the state of the run in `folder`, and writes it after every change. With a `store`, what another run has
    done is taken from there. `notice` is told every event of the run."""

    def __init__(
        self,
        folder: Folder,
        name: str,
        store: StageStore | None = None,
        notice: Callable[[Event], None] = lambda event: None,
    ):
        self._store = store
        self._log = EventLog(folder, notice)
        self._known = folder.exists(FILE)
        self.state = read_state(folder) if self._known else RunState(name=name)
        self.folder = RunFolder(folder.url, self.state.files)
        self.stage_began = time.time()

    def begin(self) -> None:
        """The run goes on from wherever it stands."""
        if not self.state.files:
            self.state.files |= _laid_out(self.folder)
            for stage, done in self.state.finished.items():  # of version 0.1, which wrote no checksums
                self._record(stage, done.output)
        self._transition(status="running", error=None)
        if self._known:
            self.tell("run resumed", finished_stages=len(self.state.finished))
        else:
            self.tell("run began")

    def stop(self, error: BaseException) -> None:
        """The run cannot go on: it has failed, it is paused, or a person is to review what it made."""
        root = root_cause(error)
        told = lost_process(root) or one_line(root, most=2000)
        if isinstance(root, ReviewDue):
            self._transition(status="waiting for review", error=told)
            self.tell("run waits for review", told=told)
            return
        paused = isinstance(root, PAUSES)
        with contextlib.suppress(StorageError):  # of a full disk: the error that stopped the run is the one to tell
            self._transition(status="paused" if paused else "failed", error=told)
            self.tell("run paused" if paused else "run failed", error=told)

    def interrupt(self) -> None:
        """The user stops the run."""
        self._transition(status="stopped", error=None)
        self.tell("run stopped")

    def end(self, best: str) -> None:
        self._transition(status="done", stage="done", best=best)
        self.tell("run ended", best=best)

    def tell(self, event: EventName, **figures: Any) -> None:
        """Puts an event into the run's log."""
        self._log.add(event, self.state.stage, **figures)

    def tell_once(self, event: EventName, **figures: Any) -> None:
        """The same, unless the log has it with these figures already."""
        if not self._log.has(event, figures):
            self.tell(event, **figures)

    def warn(self, model: str, condition: str, told: str) -> None:
        """Tells a sign of a loop that goes nowhere, once."""
        sign = f"{model}: {condition}"
        if sign not in self.state.warnings:
            self.state.warnings[sign] = told
            self.write()
            self.tell("warning", condition=condition, model=model, told=told)

    def count(self, model: str, **counts: int) -> None:
        """Writes counts of a model's iteration into the state."""
        self.state.counts.setdefault(model, {}).update(counts)
        self.write()

    async def stage(
        self, name: str, output: Output[T], work: Callable[[], Awaitable[T]], content: str | None = None
    ) -> T:
        """What stage `name` gives: loaded if it is finished, else worked out, saved, and marked as finished.

        A run that dies before the mark does the stage again. `content` is the hash of all that the result depends on
        (`sharing.py`), for stages that runs may have in common.
        """
        if name in self.state.finished:
            self.folder.check_stage(name)
            return output.load()
        self._transition(stage=name)
        self.tell("stage began")
        async with self._shared(content, output.path) as there:
            if there:
                result = output.load()
            else:
                result = await work()
                output.save(result)
            seconds = round(time.time() - self.stage_began, 2)
            self._record(name, output.path)
            self.state.finished[name] = FinishedStage(output=output.path, seconds=seconds, shared=there)
            self.write()
        self.tell("stage ended", seconds=seconds, shared=there)
        return result

    @contextlib.asynccontextmanager
    async def _shared(self, content: str | None, output: str) -> AsyncIterator[bool]:
        """Whether another run's output is there already; if not, what the block makes is stored for others."""
        if self._store is None or content is None:
            yield False
        elif await self._store.fetch(content, self.folder, output):
            yield True
        else:
            async with self._store.working_on(content, self.folder, output):
                yield False

    def _transition(self, **changes: Any) -> None:
        for field, value in changes.items():
            setattr(self.state, field, value)
        self.stage_began = time.time()
        self.write()

    def _record(self, stage: str, output: str) -> None:
        """Notes the checksums of what a stage wrote. Other files may be there: what a killed stage has left, or what a
        person keeps there."""
        beside = run_files.beside(stage)
        there = self.folder.files(output.partition("/")[0])
        wrote = [path for path in there if path == output or path.startswith(f"{output}/") or path in beside]
        self.state.files |= {path: stored(self.folder.read_bytes(path), stage) for path in wrote}

    def write(self) -> None:
        write_state(self.folder, self.state)


def _laid_out(folder: Folder) -> dict[str, StoredFile]:
    """What a run begins with. Its config has a checksum of its own, since some keys may change."""
    files = [path for place in LAID_OUT for path in folder.files(place)]
    return {path: stored(folder.read_bytes(path), START) for path in files}

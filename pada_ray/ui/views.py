"""What the live page shows, read from the folder of a run or a sweep."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from pada_ray.config import Config
from pada_ray.errors import PadaError
from pada_ray.findings.lineage import PatternRow, pattern_rows, read_findings
from pada_ray.llm.chat import spent
from pada_ray.printable import visible
from pada_ray.records import Candidate, Record, Split
from pada_ray.runs import event_log, run_files
from pada_ray.runs.configs import read_config
from pada_ray.runs.run_folder import has_begun
from pada_ray.runs.state import RunState, read_state
from pada_ray.runs.sweep import CELLS
from pada_ray.runs.sweep import FILE as SWEEP
from pada_ray.storage import Folder

_MOST = 200  # samples and events; the report has all

Status = Callable[[str, Config, RunState], str]
"""A run's status, by its folder: one that was killed has not said so in its state."""


class ModelView(Record):
    name: str
    accuracy: dict[Split, float | None]  # 0 to 1; None where nothing could be scored


class StageView(Record):
    name: str
    seconds: float | None  # None: under way
    shared: bool = False  # another run had done it


class SampleView(Record):
    """A new sample, or a draft of one, with what quality control said."""

    question: str
    reply: str
    rating: float | None
    verdict: str  # `accepted`, or why it was turned down
    feedback: str
    strategy: str | None


class EventView(Record):
    time: str
    event: str
    stage: str
    figures: str


class RunView(Record):
    name: str
    status: str
    stage: str
    method: str
    error: str | None
    warnings: list[str]
    models: list[ModelView]
    stages: list[StageView]
    patterns: list[PatternRow]
    samples: list[SampleView]  # of the latest iteration that has some, at most `_MOST` of each kind
    accepted: int
    rejected: int
    calls: int
    tokens: int
    usd: float | None  # None: no price is known
    events: list[EventView]  # the latest first


class RunLine(Record):
    """A run of a sweep."""

    name: str
    status: str
    stage: str
    models: list[ModelView]
    tokens: int


class SweepView(Record):
    name: str
    runs: list[RunLine]


def run_view(folder: Folder, status: Status) -> RunView:
    """Raises ConfigError or DamagedFile where the folder holds no run that can be read."""
    config = read_config(folder)
    if not has_begun(folder):
        state, now = RunState(name=config.name), "prepared"
    else:
        state = read_state(folder)
        now = status(folder.url, config, state)
    latest = max((i for i in range(1, config.iterations + 2) if folder.exists(run_files.accepted(i))), default=0)
    accepted, rejected = (_candidates(folder, f(latest)) for f in (run_files.accepted, run_files.rejected))
    total, paid = spent(state.usage), spent(u for u in state.usage if not u.shared)
    return RunView(
        name=state.name,
        status=now,
        stage=state.stage,
        method=config.method,
        error=state.error,
        warnings=list(state.warnings.values()),
        models=_models(state),
        stages=_stages(state, under_way=now == "running"),
        patterns=[row for i in range(config.iterations + 1, 0, -1) for row in pattern_rows(read_findings(folder, i))],
        samples=[_sample(c) for c in (*accepted[-_MOST:][::-1], *rejected[-_MOST:][::-1])],
        accepted=len(accepted),
        rejected=len(rejected),
        calls=total.calls,
        tokens=total.tokens,
        usd=paid.usd if paid.calls else None,
        events=_events(folder),
    )


def sweep_view(folder: Folder, status: Status) -> SweepView:
    """Raises DamagedFile where the sweep's list cannot be read. A run that cannot be read is a line that says so."""
    listed = folder.read_yaml(SWEEP)
    names = [cell["name"] for cell in listed["cells"]]
    return SweepView(name=listed["name"], runs=[_line(Folder(folder.at(f"{CELLS}/{n}")), n, status) for n in names])


def _line(run: Folder, name: str, status: Status) -> RunLine:
    nothing = RunLine(name=name, status="not begun", stage="", models=[], tokens=0)
    try:
        if not run.exists(run_files.CONFIG) or not has_begun(run):
            return nothing
        config, state = read_config(run), read_state(run)
    except PadaError as e:
        return nothing.model_copy(update={"status": "cannot be read", "stage": str(e)})
    return RunLine(
        name=name,
        status=status(run.url, config, state),
        stage=state.stage,
        models=_models(state),
        tokens=spent(state.usage).tokens,
    )


def _models(state: RunState) -> list[ModelView]:
    def share(accuracy: float) -> float | None:
        return None if math.isnan(accuracy) else accuracy

    return [
        ModelView(name=name, accuracy={split: share(score.accuracy) for split, score in scores.items()})
        for name, scores in state.scores.items()
    ]


def _stages(state: RunState, *, under_way: bool) -> list[StageView]:
    done = [StageView(name=n, seconds=s.seconds, shared=s.shared) for n, s in state.finished.items()]
    now = [StageView(name=state.stage, seconds=None)] if under_way and state.stage not in state.finished else []
    return [*done, *now]


def _candidates(folder: Folder, path: str) -> Sequence[Candidate]:
    file = run_files.in_force(folder, path)
    return folder.read_records(file, Candidate) if folder.exists(file) else []


def _sample(c: Candidate) -> SampleView:
    return SampleView(
        question=visible("\n".join(m.content for m in c.messages[:-1])),
        reply=visible(c.messages[-1].content if c.messages else ""),
        rating=c.ratings.overall if c.ratings else None,
        verdict=c.rejected or "accepted",
        feedback=visible(c.feedback or ""),
        strategy=c.strategy_name,
    )


def _events(folder: Folder) -> list[EventView]:
    found = event_log.read_events(folder)[-_MOST:]
    return [
        EventView(
            time=e.time.strftime("%H:%M:%S"),
            event=e.event,
            stage=e.stage,
            figures=", ".join(f"{key} {value}" for key, value in e.figures.items()),
        )
        for e in reversed(found)
    ]

"""How much of a run is left, told from what its stages have taken so far.

A stage takes some time to start, and then so long for each unit of its work: optimiser steps, samples to reply to,
calls. What a kind of stage has taken in this run tells what the next of its kind will take for its amount of work. LLM
stages of a kind that has not been seen yet are taken to go at the pace of those that have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pada_ray.config import Config
from pada_ray.methods import METHODS
from pada_ray.records import Sample, Split
from pada_ray.runs import run_files
from pada_ray.runs.expected import expected_calls
from pada_ray.runs.plan import plan
from pada_ray.runs.planned_stages import planned_stages
from pada_ray.runs.stage_names import Parts, parts_of
from pada_ray.runs.state import RunState

_QUICK = ("clustering",)  # too quick to keep a run without an estimate until it has been seen
_LONGER = 0.1  # a stage that takes longer than expected will take this share of its time so far


class Left(NamedTuple):
    """Seconds that are left. None: nothing of the run tells it yet."""

    stage: float | None
    run: float | None


class Pace(NamedTuple):
    """What a stage under way tells of itself."""

    left: int  # units
    per_second: float


class Seen(NamedTuple):
    """A stage that has been done, or is under way far enough to be told its end."""

    work: float
    seconds: float


class Outlook:
    """What is ahead of a run of `config` on `samples`: the amount of work of every stage."""

    def __init__(self, config: Config, samples: Mapping[Split, Sequence[Sample]]):
        self._config = config = config.model_copy(update={"prompts": None})  # a user's folder may be gone
        self._sizes = {split: len(members) for split, members in samples.items()}
        self._steps = [training.steps for training in plan(config, samples).trainings]
        self._tokens: dict[str, float] = {}  # of the replies, by stage
        self._calls: dict[tuple[str, str], float] = {}  # by stage and purpose
        for expected in expected_calls(config, samples):
            self._tokens[expected.stage] = self._tokens.get(expected.stage, 0.0) + expected.completion_tokens
            self._calls[expected.stage, expected.purpose] = expected.calls

    def left(self, state: RunState, stage_seconds: float, pace: Pace | None = None) -> Left:
        """What is left of a run whose current stage has gone on for `stage_seconds`, and of that stage."""
        seen = self._seen(state)
        of_stage = self._of_current(state, stage_seconds, pace, seen)
        if of_stage is not None and state.stage not in state.finished:
            seen.setdefault(state.stage, Seen(self._work(state.stage, state), stage_seconds + of_stage))
        planned = planned_stages(self._config, state.judged)
        ahead = [self._expected(name, state, seen) for name in self._ahead(planned, state)]
        known = [seconds for seconds in ahead if seconds is not None]
        if len(known) < len(ahead) or (of_stage is None and state.stage in planned):
            return Left(of_stage, None)
        return Left(of_stage, (of_stage or 0.0) + sum(known))

    def _seen(self, state: RunState) -> dict[str, Seen]:
        """The stages that this run has done itself. What it copied from another tells nothing."""
        return {
            name: Seen(self._work(name, state), stage.seconds)
            for name, stage in state.finished.items()
            if not stage.shared
        }

    def _of_current(self, state: RunState, passed: float, pace: Pace | None, seen: dict[str, Seen]) -> float | None:
        if pace is not None and pace.per_second > 0:
            return pace.left / pace.per_second
        expected = self._expected(state.stage, state, seen)
        if expected is None:
            expected = self._by_calls(state, passed)
        return None if expected is None else max(expected - passed, _LONGER * passed)

    def _by_calls(self, state: RunState, passed: float) -> float | None:
        """What the current stage takes by the calls that it has made: the first of its kind, as nothing else tells."""
        purposes = {purpose: calls for (stage, purpose), calls in self._calls.items() if stage == state.stage}
        made = sum(u.calls for u in state.usage if u.purpose in purposes and not u.shared)
        share = min(made / sum(purposes.values()), 1.0) if purposes else 0.0
        return passed / share if share else None

    def _ahead(self, planned: Sequence[str], state: RunState) -> list[str]:
        """The stages after the current one. A stage before it that is not finished has been left out: there was nothing
        to do."""
        reached = [i for i, name in enumerate(planned) if name in state.finished or name == state.stage]
        return list(planned[max(reached, default=-1) + 1 :])

    def _expected(self, name: str, state: RunState, seen: Mapping[str, Seen]) -> float | None:
        """The seconds of a stage by those of its kind, else by the pace of LLM calls; None where nothing tells."""
        mine = parts_of(name)
        alike = [stage for other, stage in seen.items() if parts_of(other).kind == mine.kind and other != name]
        of_tuned = [stage for other, stage in seen.items() if _alike(parts_of(other), mine) and other != name]
        if alike:
            return _at(self._work(name, state), of_tuned or alike)
        if name in self._tokens:
            timed = [other for other in seen if other in self._tokens]
            tokens = sum(self._tokens[other] for other in timed)
            return sum(seen[other].seconds for other in timed) / tokens * self._tokens[name] if tokens else None
        return 0.0 if mine.kind in _QUICK else None

    def _work(self, name: str, state: RunState) -> float:
        """The amount of work of a stage, in the unit of its kind."""
        model, kind = parts_of(name)
        if kind == "fine-tuning":
            return self._steps[min(_iteration(model), len(self._steps) - 1)]
        if kind in ("evaluation", "grading"):
            return sum(size for split, size in self._sizes.items() if split not in self._unasked(model))
        if kind in ("error analysis", "clustering"):
            return self._failures(_iteration(model) - 1, state)
        return 1.0

    def _unasked(self, model: str) -> set[Split]:
        """The splits that a model is not evaluated on."""
        if model == run_files.BASE:
            return {"train"}
        return {"train", "val"} if METHODS[self._config.method].reference and _iteration(model) else set()

    def _failures(self, iteration: int, state: RunState) -> float:
        """The val failures of an iteration's model that are analysed: for a model to come as many as of the last."""
        known = [scores["val"].failures for name, scores in state.scores.items() if "val" in scores]
        mine = state.scores.get(run_files.model(iteration), {}).get("val")
        failures = mine.failures if mine else known[-1] if known else self._sizes.get("val", 1)
        return max(1, min(failures, self._config.pattern_analysis.max_failures))


def _at(work: float, seen: Sequence[Seen]) -> float:
    """The seconds for an amount of work: on the line through what was seen, by least squares, with neither the start
    nor the time for a unit below 0. Through one amount of work alone it goes from 0, by the last stage."""
    mean_work = sum(s.work for s in seen) / len(seen)
    mean_seconds = sum(s.seconds for s in seen) / len(seen)
    spread = sum((s.work - mean_work) ** 2 for s in seen)
    if not spread:
        return seen[-1].seconds * work / seen[-1].work if seen[-1].work else seen[-1].seconds
    each = sum((s.work - mean_work) * (s.seconds - mean_seconds) for s in seen) / spread
    start = mean_seconds - each * mean_work
    if each < 0:
        return mean_seconds
    if start < 0:
        return work * sum(s.work * s.seconds for s in seen) / sum(s.work**2 for s in seen)
    return start + each * work


def _alike(one: Parts, other: Parts) -> bool:
    """Whether two stages are of one kind, and both of tuned models or neither: the base model often knows no end, and
    replies at length."""
    return one.kind == other.kind and (one.model == run_files.BASE) == (other.model == run_files.BASE)


def _iteration(model: str) -> int:
    return int(model.rpartition("-")[2])

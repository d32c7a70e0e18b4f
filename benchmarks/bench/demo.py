"""`pada run` on the demo beside the same fine-tunings and evaluations in one process; its calls beside the least."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.bench.processes import ROOT, call
from pada_ray.findings.ledger import least_calls
from pada_ray.runs.stage_names import parts_of
from pada_ray.runs.state import RunState, read_state
from pada_ray.storage import Folder

AGENTS = "the agents' stages"


class Purpose(NamedTuple):
    name: str
    calls: int
    least: int | None  # None: not known


class DemoRun(NamedTuple):
    """One run of the demo and its repetition in one process."""

    wall: float  # seconds, of the command
    one_process: float  # seconds
    ray_alone: float  # seconds that Ray's processes take with nothing to do
    parts: dict[str, float]  # seconds of the run's stages by kind
    parts_again: dict[str, float]  # the same of one process
    accuracy: dict[str, dict[str, float]]  # by model and split
    accuracy_again: dict[str, dict[str, float]]
    purposes: list[Purpose]


def run_demo(overrides: dict[str, str]) -> DemoRun:
    """Runs the demo and then repeats its work; both start with nothing loaded and may use all cores."""
    with tempfile.TemporaryDirectory() as runs:
        sets = [f"--set={key}={value}" for key, value in (overrides | {"runs": runs}).items()]
        command = [sys.executable, "-m", "jobs.cli", "run", str(ROOT / "configs" / "demo.yaml"), *sets]
        began = time.monotonic()
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        wall = time.monotonic() - began
        if process.returncode:
            raise RuntimeError(f"the demo ended with {process.returncode}: {process.stdout[-1000:]}{process.stderr}")
        run = next(Path(runs).iterdir())
        began = time.monotonic()
        again = call("benchmarks.bench.one_process:repeat_run", None, run=str(run))
        one_process = time.monotonic() - began
        folder = Folder(str(run))
        state = read_state(folder)
        began = time.monotonic()
        call("benchmarks.bench.ray_alone:start_and_stream", None, iterations=len(state.scores) - 2)
        ray_alone = time.monotonic() - began
        accuracy = {model: {str(s): score.accuracy for s, score in of.items()} for model, of in state.scores.items()}
        return DemoRun(
            wall,
            one_process,
            ray_alone,
            _by_kind(state),
            again["seconds"],
            accuracy,
            again["accuracy"],
            purposes_of(folder),
        )


def _by_kind(state: RunState) -> dict[str, float]:
    """Seconds of the stages: fine-tuning, evaluation, and all others, which are those of the agents."""
    seconds = {"fine-tuning": 0.0, "evaluation": 0.0, AGENTS: 0.0}
    for name, stage in state.finished.items():
        kind = parts_of(name).kind
        seconds[kind if kind in seconds else AGENTS] += stage.seconds
    return seconds


def purposes_of(folder: Folder) -> list[Purpose]:
    """The calls of a finished run by purpose, beside the least that its method allows."""
    made: dict[str, int] = {}
    for usage in read_state(folder).usage:
        made[usage.purpose] = made.get(usage.purpose, 0) + usage.calls
    least = least_calls(folder)
    return [Purpose(name, made.get(name, 0), least.get(name)) for name in dict.fromkeys([*made, *least])]


def calls_over_least(purposes: list[Purpose]) -> float | None:
    """All calls over the least, of the purposes whose least is known; None where there are none. Checks by agreement
    and canaries have none."""
    known = [(p.calls, p.least) for p in purposes if p.least is not None]
    least = sum(fewest for _, fewest in known)
    return sum(calls for calls, _ in known) / least if least else None


def mean_accuracy(models: dict[str, dict[str, Any]], split: str) -> float:
    """Over the fine-tuned models."""
    return statistics.mean(of[split] for model, of in models.items() if model != "base")

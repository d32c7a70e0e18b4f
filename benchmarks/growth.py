"""How the work beside models and LLMs grows: with samples, with runs, and with GPUs.

    python -m benchmarks.growth --out benchmarks/results/growth.md
    python -m benchmarks.growth --most 1000000 --out benchmarks/results/growth.md    # minutes and gigabytes more

Samples and runs are measured, in CPU seconds of one core, so that other programs do not count. GPUs are simulated from
the stage times of runs on file: a run's own (`--run FOLDER`), or those of `results/demo_table.tar.xz`.
"""

from __future__ import annotations

import argparse
import functools
import gc
import heapq
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import yaml

from benchmarks.bench.processes import call
from benchmarks.kept_sweep import unpack
from pada_ray.agents.known_questions import KnownQuestions
from pada_ray.agents.leak_guard import LeakGuard
from pada_ray.agents.screening import Screen
from pada_ray.config import Config, PatternAnalysisConfig, QualityControlConfig, check_config
from pada_ray.data.splits import load_splits
from pada_ray.findings.stability import assess
from pada_ray.methods.llm2llm import MAX_ROUGE_L
from pada_ray.records import Attempt, Batch, Candidate, Message, Sample, Seed, WrittenMessage
from pada_ray.report.results import Run, read_run, read_sweep
from pada_ray.report.write import write_run, write_sweep
from pada_ray.runs.sharing import fine_tuning_content
from pada_ray.runs.stage_names import parts_of
from pada_ray.runs.state import RunState
from pada_ray.runs.sweep import FILE as SWEEP
from pada_ray.storage import Folder, as_lines

T = TypeVar("T")

SAMPLES = (100, 1000, 10_000, 100_000, 1_000_000)
RUNS = (1, 10, 50, 100, 200)
GPUS = (1, 2, 4, 8, 16, 32, 64)
HELD_OUT = 500  # most samples of val, and of test
CANDIDATES = 200
KEPT = Path(__file__).parent / "results" / "demo_table.tar.xz"
ANALYSES, DIMENSIONS = 50, 20  # of an iteration, as TF-IDF embeds them


def cpu_seconds(work: Callable[[], T]) -> tuple[float, T]:
    gc.collect()
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


# Samples


class Texts:
    """Random samples as long as GSM8K's, with words as frequent as in English (Zipf's law)."""

    VOCABULARY = 50_000
    QUESTION, REPLY = 45, 60  # words
    INSTRUCTION = "Solve the problem step by step. End your reply with a line of the form '#### <number>'."

    def __init__(self, seed: int) -> None:
        self._chance = np.random.default_rng(seed)
        weights = 1 / np.arange(1, self.VOCABULARY + 1)
        self._up_to = (weights / weights.sum()).cumsum()
        self._words = [np.base_repr(rank + 36, 36).lower() for rank in range(self.VOCABULARY)]

    def samples(self, count: int, name: str) -> list[Sample]:
        return [self._sample(f"{name}-{i}") for i in range(count)]

    def _sample(self, name: str) -> Sample:
        drawn = self._up_to.searchsorted(self._chance.random(self.QUESTION + self.REPLY)).tolist()
        words = [self._words[min(rank, self.VOCABULARY - 1)] for rank in drawn]
        question, reply = " ".join(words[: self.QUESTION]), " ".join(words[self.QUESTION :])
        messages = [
            Message(role="user", content=f"{question}?\n\n{self.INSTRUCTION}"),
            Message(role="assistant", content=f"{reply}.\n#### 7"),
        ]
        return Sample(id=name, messages=messages, task="math", answer="7")


class Growth(NamedTuple):
    """CPU seconds with so many training samples."""

    samples: int
    read: float
    hashed: float
    guard: float
    known: float
    screened: float  # per candidate
    overlap: float  # per candidate
    memory: float  # GB


def with_samples(count: int) -> Growth:
    texts = Texts(seed=count)
    size = min(HELD_OUT, max(10, count // 10))
    splits = {name: texts.samples(size, name) for name in ("val", "test")} | {"train": texts.samples(count, "train")}
    new = texts.samples(CANDIDATES, "new")
    hashed, _ = cpu_seconds(lambda: fine_tuning_content(_config(), splits["train"]))
    guard, screened = _screening([*splits["val"], *splits["test"]], splits["train"], new)
    known, overlap = _repeating(splits["train"], new)
    reading, memory = _reading(splits)
    return Growth(count, reading, hashed, guard, known, screened, overlap, memory)


def _screening(held_out: Sequence[Sample], train: Sequence[Sample], new: Sequence[Sample]) -> tuple[float, float]:
    """CPU seconds to build the leak guard, and to screen a candidate."""
    building, guard = cpu_seconds(lambda: LeakGuard(held_out, train))
    screen = Screen(QualityControlConfig(), train, guard)
    batch, candidates = _batch(train[0], new)
    screening, _ = cpu_seconds(lambda: screen.screen(batch, candidates))
    return building, screening / len(candidates)


def _repeating(train: Sequence[Sample], new: Sequence[Sample]) -> tuple[float, float]:
    """CPU seconds to know the questions, and to tell whether one repeats them."""
    building, known = cpu_seconds(lambda: _known(train, new[0]))
    telling, _ = cpu_seconds(lambda: [known.add(sample, MAX_ROUGE_L) for sample in new[1:]])
    return building, telling / (len(new) - 1)


def _known(train: Sequence[Sample], first: Sample) -> KnownQuestions:
    known = KnownQuestions(train)
    known.add(first, MAX_ROUGE_L)  # the index is made when it is first needed
    return known


def _batch(seed: Sample, new: Sequence[Sample]) -> tuple[Batch, list[Candidate]]:
    attempt = Attempt(draft="d", seed=Seed(sample=seed))
    batch = Batch(id="b", group="g", instruction="pattern_generation", attempts=[attempt])
    written = [
        Candidate(
            id=sample.id,
            batch="b",
            group="g",
            strategy_name=None,
            seed_id=seed.id,
            attempt=0,
            messages=[WrittenMessage(role=m.role, content=m.content) for m in sample.messages],
            answer=None,
        )
        for sample in new
    ]
    return batch, written


def _config() -> Config:
    endpoint = {"base_url": "offline", "model": "m"}
    return check_config({"data": {"demo": {}}, "llm": {"teacher": endpoint, "judge": endpoint}}, "benchmark")


def _reading(splits: dict[str, list[Sample]]) -> tuple[float, float]:
    """CPU seconds to read the splits from files and to check them; and the most memory in GB that a process takes which
    also guards and hashes them. Empties `splits`, to save memory."""
    with tempfile.TemporaryDirectory() as folder:
        files = {split: f"{folder}/{split}.jsonl" for split in splits}
        for split, file in files.items():
            Path(file).write_text(as_lines(splits[split]), encoding="utf-8")
        splits.clear()
        seconds, memory = call("benchmarks.growth:read_guard_and_hash", 1, **files)
        return seconds, memory


def read_guard_and_hash(train: str, val: str, test: str) -> tuple[float, float]:
    """In a process of its own: CPU seconds to read and check the splits, and the most GB that it took for this, the
    leak guard and the hash of the training set."""
    seconds, samples = cpu_seconds(lambda: load_splits(train, val, test))
    guard = LeakGuard([*samples["val"], *samples["test"]], samples["train"])
    assert guard.hits(samples["val"][0].question)
    fine_tuning_content(_config(), samples["train"])
    status = Path("/proc/self/status").read_text()  # getrusage would give what the parent held, if that is more
    return seconds, int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e9


def samples_table(most: int) -> list[str]:
    """Markdown."""
    lines = [
        "## Samples",
        "",
        f"Random texts of GSM8K's length; val and test have a tenth of train's samples each, {HELD_OUT} at most. What "
        "is done once per run or iteration in CPU seconds, what is done for each candidate in milliseconds (mean of "
        f"{CANDIDATES}). *Known questions* are their keys and the index for ROUGE-L. Memory is the most that a process "
        "takes to read and check the splits, to build the leak guard and to hash the training set.",
        "",
        "| training samples | read and check the splits | hash the training set | leak guard | known questions "
        "| screen a candidate, ms | ROUGE-L with all known, ms | memory, GB |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for count in SAMPLES:
        if count <= most:
            g = with_samples(count)
            lines.append(
                f"| {count:,} | {g.read:.2f} | {g.hashed:.2f} | {g.guard:.2f} | {g.known:.2f} "
                f"| {1000 * g.screened:.2f} | {1000 * g.overlap:.2f} | {g.memory:.2f} |"
            )
            print(lines[-1], flush=True)
    return [*lines, ""]


# Runs


def runs_table(kept: Folder) -> list[str]:
    """Markdown."""
    cells = kept.read_yaml(SWEEP)
    lines = [
        "## Runs",
        "",
        "The report of a sweep of so many runs, from their files, in CPU seconds: its own page with all tables and "
        "comparisons, and the page of each run. `pada report` writes the pages of runs in as many processes as there "
        "are cores, and writes none again whose run has not changed.",
        "",
        "| runs | page of the sweep | pages of all runs | per run |",
        "|---:|---:|---:|---:|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for count in RUNS:
            listed = {**cells, "cells": _spread(cells["cells"], count)}
            own, pages = _report(kept, listed, Folder(f"{folder}/{count}"))
            lines.append(f"| {count} | {own:.2f} | {pages:.2f} | {(own + pages) / count:.2f} |")
            print(lines[-1], flush=True)
    chance = np.random.default_rng(0)
    points = chance.normal(size=(ANALYSES, DIMENSIONS))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    settings = PatternAnalysisConfig(embedding="tfidf")
    seconds, _ = cpu_seconds(lambda: assess(1, points, [i % 4 for i in range(ANALYSES)], settings, 0))
    kept_back = (
        f"The runs on file keep no analyses. With them, a run's page takes {seconds:.2f} CPU seconds more for the "
        f"stability of each iteration's clusters ({ANALYSES} analyses)."
    )
    return [*lines, "", kept_back, ""]


def _spread(cells: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """So many cells, the same number of every kind as far as it goes: the list has the seeds of a kind together."""
    return sorted(cells, key=lambda cell: cell["coordinates"]["seed"])[:count]


def _report(kept: Folder, listed: dict[str, Any], out: Folder) -> tuple[float, float]:
    kept.write_text(SWEEP, yaml.safe_dump(listed, sort_keys=False))
    own, _ = cpu_seconds(lambda: write_sweep(read_sweep(kept), out))
    runs = read_sweep(kept).runs

    def write_all() -> None:
        for i, run in enumerate(runs):
            write_run(run, Folder(out.at(str(i))))

    return own, cpu_seconds(write_all)[0]


# GPUs


class Stage(NamedTuple):
    seconds: float
    on_gpu: bool
    startup: float = 0.0
    """Of `seconds`, what more workers do not make shorter."""
    most: int = 1
    """Workers that can share it."""

    def with_workers(self, workers: int) -> float:
        startup = min(self.startup, self.seconds)
        return startup + (self.seconds - startup) / min(workers, self.most)


def stages_of(state: RunState, batch_size: int, startups: dict[str, float]) -> list[Stage]:
    """A run's stages in order. What it had from another run takes no time."""
    done = {name: stage.seconds for name, stage in state.finished.items() if not stage.shared}
    kinds = ((parts_of(name).kind, seconds) for name, seconds in done.items())
    most = {"fine-tuning": batch_size, "evaluation": max(GPUS)}
    return [Stage(seconds, kind in startups, startups.get(kind, 0.0), most.get(kind, 1)) for kind, seconds in kinds]


def makespan(runs: Sequence[Sequence[Stage]], gpus: int) -> tuple[float, float]:
    """Seconds until the last run ends, and the share of all GPU time in which the GPUs are at work.

    List scheduling: whichever run has waited longest for a GPU gets the next one that is free, for one stage. LLM
    stages of all runs go on beside.
    """
    ready = [(0.0, i, 0) for i in range(len(runs))]  # when, which run, its next stage
    free = [0.0] * gpus
    heapq.heapify(ready)
    end = busy = 0.0
    while ready:
        now, run, position = heapq.heappop(ready)
        if position == len(runs[run]):
            end = max(end, now)
            continue
        stage = runs[run][position]
        if stage.on_gpu:
            now = max(now, heapq.heappop(free))
            busy += stage.seconds
            heapq.heappush(free, now + stage.seconds)
        heapq.heappush(ready, (now + stage.seconds, run, position + 1))
    return end, busy / (end * gpus)


def gpus_tables(one: Run, many: Sequence[Run], startups: dict[str, float]) -> list[str]:
    """Markdown: a run that divides its stages over workers, and many runs with a GPU for each stage."""
    stages_for = functools.partial(stages_of, startups=startups)
    alone = stages_for(one.state, one.config.fine_tune.batch_size)
    several = [stages_for(run.state, run.config.fine_tune.batch_size) for run in many]
    work = sum(stage.seconds for stages in several for stage in stages if stage.on_gpu)
    longest = max(sum(stage.seconds for stage in stages) for stages in several)
    llm = sum(stage.seconds for stage in alone if not stage.on_gpu)
    lines = [
        "## GPUs",
        "",
        "Simulated from recorded stage times, not measured on GPUs: the worker that each stage had counts as one GPU. "
        "*One run*: fine-tuning is divided among the workers, of which there can be no more than samples in an "
        f"optimiser step ({one.config.fine_tune.batch_size}), and so is evaluation, among any number; "
        + ", ".join(f"{seconds:g} s of each {kind}" for kind, seconds in startups.items())
        + f" are start-up, which stays, as do LLM stages ({llm:.0f} s of {sum(s.seconds for s in alone):.0f}); the "
        f"exchange of gradients costs nothing. *{len(many)} runs*: each stage has one GPU, the run that has waited "
        "longest is next, and LLM stages of all runs go on beside, without limits of the endpoint. No order can be "
        f"faster than the GPU work over the GPUs ({work / 3600:.1f} h of work), or than the longest run "
        f"({longest / 3600:.2f} h).",
        "",
        f"| GPUs | one run, min | speed-up | {len(many)} runs, h | speed-up | times the fastest possible "
        "| GPUs at work |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    first_alone = sum(stage.with_workers(1) for stage in alone)
    first_many, _ = makespan(several, 1)
    for gpus in GPUS:
        seconds = sum(stage.with_workers(gpus) for stage in alone)
        end, share = makespan(several, gpus)
        lines.append(
            f"| {gpus} | {seconds / 60:.1f} | {first_alone / seconds:.1f} | {end / 3600:.2f} | {first_many / end:.1f} "
            f"| {end / max(work / gpus, longest):.2f} | {share:.0%} |"
        )
        print(lines[-1], flush=True)
    return [*lines, ""]


def recorded(kept: Folder) -> tuple[Run, list[Run]]:
    """A run that did all of its stages itself, the one of median length, and as many runs as the largest table has."""
    runs = read_sweep(kept).runs[: max(RUNS)]
    whole = [run for run in runs if run.method == "pada" and not _has_shared(run)]
    by_length = sorted(whole or runs, key=lambda run: sum(s.seconds for s in run.state.finished.values()))
    return by_length[len(by_length) // 2], runs


def _has_shared(run: Run) -> bool:
    return any(stage.shared for stage in run.state.finished.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=100_000, help="training samples of the last row")
    parser.add_argument("--run", help="a run's folder, for the simulated GPUs")
    parser.add_argument("--startup", type=float, nargs=2, default=(9.8, 4.8), metavar=("FINE_TUNING", "EVALUATION"))
    parser.add_argument("--out", help="a Markdown file")
    options = parser.parse_args()
    startups = dict(zip(("fine-tuning", "evaluation"), options.startup, strict=True))
    lines = ["# Growth", "", *samples_table(options.most)]
    with tempfile.TemporaryDirectory() as folder:
        unpack(str(KEPT), folder)
        lines += runs_table(Folder(folder))
        one, many = recorded(Folder(folder))
        lines += gpus_tables(read_run(Folder(options.run)) if options.run else one, many, startups)
    lines += [f"{os.cpu_count()} cores, one of them used; Python {platform.python_version()}."]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        Path(options.out).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

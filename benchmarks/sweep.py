"""Eight runs, four at a time, beside the same eight one after another, on an endpoint that takes its time.

    RAY_worker_niceness=0 python benchmarks/sweep.py --out benchmarks/results/sweep.md

The endpoint is the offline teacher behind real HTTP with latency; the runs are small ones of the demo domain.
What they take of the machine is read from their processes, so that other programs do not count.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import yaml

from pada_ray.runs.state import RunState, read_state
from pada_ray.storage import Folder

ROOT = Path(__file__).resolve().parents[1]
LATENCY_MS = 300
METHODS = ["pada", "llms_as_instructors", "auggpt", "vanilla"]
SEEDS = [0, 1]
CORES = os.cpu_count() or 1
SAMPLE_EVERY = 0.5  # seconds
TRAINING = "ray::ResidentStudent.fine_tune"
FIRST = "iteration-0: fine-tuning"


class Taken(NamedTuple):
    """What one sweep took."""

    wall: float  # seconds
    idle: float  # seconds in which a core had nothing to do, of all cores together
    others: float  # CPU seconds of other programs meanwhile
    cpu: float  # seconds, of all its processes
    training: float  # seconds in which at least one fine-tuning was under way
    memory: float  # GiB at its peak, what processes share counted once for each
    by_process: dict[str, tuple[float, int]]  # CPU seconds and number of processes, by what a process is
    states: list[RunState]

    @property
    def busy(self) -> float:
        """Seconds in which the cores that others left could have done the same, were they always busy."""
        return self.cpu / (CORES - self.others / self.wall)


class Meter:
    """Watches a process and all that it starts, from a thread."""

    def __init__(self, root: int):
        self._known: dict[int, psutil.Process] = {root: psutil.Process(root)}
        self.cpu: dict[int, float] = {}
        self.title: dict[int, str] = {}
        self.training = self.memory = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        last = time.monotonic()
        while not self._over.wait(SAMPLE_EVERY):
            now = time.monotonic()
            titles, memory = self._sample()
            self.training += (now - last) * any(t.startswith(TRAINING) for t in titles)
            self.memory = max(self.memory, memory / 2**30)
            last = now

    def _sample(self) -> tuple[list[str], int]:
        """Titles of the processes alive, and the bytes that they hold."""
        titles, memory = [], 0
        for process in psutil.process_iter():
            # A process whose parent has ended belongs to someone else, but was seen before.
            try:
                if process.pid not in self._known and process.ppid() not in self._known:
                    continue
                with process.oneshot():
                    times = process.cpu_times()
                    memory += process.memory_info().rss
                    title = _title(process.cmdline())
            except psutil.Error:
                continue
            self._known[process.pid] = process
            self.cpu[process.pid] = times.user + times.system
            if title:
                self.title[process.pid] = title
                titles.append(title)
        return titles, memory


def _title(command: list[str]) -> str:
    """What a process is; "" for a worker of Ray that does nothing at this moment."""
    text = " ".join(command)
    if not text.startswith("ray::"):
        for program in ("raylet", "gcs_server", "dashboard", "jobs.cli", "pada_ray.teacher"):
            if program in text:
                return program
        return "" if "default_worker" in text else "other"
    name = text.partition(" ")[0]
    if name != TRAINING:
        name = name.partition(".")[0]
    return "" if name == "ray::IDLE" else name


def run_sweep(parallel: int, options: argparse.Namespace) -> Taken:
    """The eight runs, so many at a time, from nothing."""
    with tempfile.TemporaryDirectory() as folder:
        raw: dict[str, Any] = yaml.safe_load((ROOT / "configs/demo.yaml").read_text())
        raw |= {"name": "sweep", "parallel": parallel, "iterations": 1, "grid": {"method": METHODS, "seed": SEEDS}}
        raw["data"] |= {"regime": options.regime, "eval_samples": options.eval_samples}
        raw["offline"] = {"latency_ms": LATENCY_MS}
        file = Path(folder) / "sweep.yaml"
        file.write_text(yaml.safe_dump(raw, sort_keys=False))
        began, before = time.monotonic(), psutil.cpu_times()
        process = subprocess.Popen([sys.executable, "-m", "jobs.cli", "sweep", str(file)], cwd=folder)
        meter = Meter(process.pid)
        failed = process.wait()
        wall, after = time.monotonic() - began, psutil.cpu_times()
        meter.stop()
        if failed:
            raise RuntimeError(f"the sweep ended with {failed}")
        cells = sorted((Path(folder) / "runs" / "sweep" / "cells").iterdir())
        states = [read_state(Folder(str(cell))) for cell in cells]
    by_process: defaultdict[str, list[float]] = defaultdict(list)
    for pid, cpu in meter.cpu.items():
        by_process[meter.title.get(pid, "idle workers")].append(cpu)
    ordered = sorted(by_process.items(), key=lambda item: -sum(item[1]))
    idle = after.idle - before.idle + after.iowait - before.iowait
    return Taken(
        wall=wall,
        idle=idle,
        others=max(0.0, wall * CORES - idle - sum(meter.cpu.values())),
        cpu=sum(meter.cpu.values()),
        training=meter.training,
        memory=meter.memory,
        by_process={title: (sum(each), len(each)) for title, each in ordered},
        states=states,
    )


def tell(taken: dict[int, Taken], options: argparse.Namespace) -> list[str]:
    """Markdown."""
    most = next(iter(taken))
    lines = [
        f"{len(METHODS)} methods ({', '.join(METHODS)}) with {len(SEEDS)} seeds: {len(METHODS) * len(SEEDS)} "
        f"runs of the demo domain, {options.regime} training samples, {options.eval_samples} in val and test, "
        f"one iteration; {LATENCY_MS} ms latency.",
        "",
        "| at a time | wall s | CPU s | CPU s / cores to be had | wall over that | CPU s of other programs | idle "
        "core s | training under way s | memory GiB | first fine-tunings |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for parallel, t in taken.items():
        first = sum(not state.finished[FIRST].shared for state in t.states)
        lines.append(
            f"| {parallel} | {t.wall:.0f} | {t.cpu:.0f} | {t.busy:.0f} | {t.wall / t.busy:.2f} | {t.others:.0f} "
            f"| {t.idle:.0f} | {t.training:.0f} | {t.memory:.1f} | {first} of {len(t.states)} |"
        )
    lines += [
        "",
        f"There are {CORES} cores, which are what is scarcest here. To be had were those that other programs left. "
        "Training is under way while some fine-tuning's worker is alive, its start included. The methods of one seed "
        f"have data and first fine-tuning in common, so {len(SEEDS)} are needed. Memory is the sum of what processes "
        "hold, and counts what they share more than once.",
        "",
        f"What the CPU seconds went to, {most} at a time:",
        "",
        "| process | how many | CPU s |",
        "|---|---|---|",
    ]
    shown = [(title, *each) for title, each in taken[most].by_process.items() if each[0] >= 1]
    lines += [f"| `{title}` | {number} | {cpu:.0f} |" for title, cpu, number in shown]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regime", type=int, default=60)
    parser.add_argument("--eval-samples", type=int, default=30)
    parser.add_argument("--parallel", type=int, nargs="+", default=[4, 1], help="runs at a time, each in turn")
    parser.add_argument("--out", help="a Markdown file")
    options = parser.parse_args()
    taken: dict[int, Taken] = {}
    for parallel in options.parallel:
        taken[parallel] = run_sweep(parallel, options)
        print(parallel, taken[parallel]._replace(states=[], by_process={}), flush=True)
    versions = ", ".join(f"{package} {version(package)}" for package in ("ray", "torch", "transformers"))
    lines = ["# A sweep", "", *tell(taken, options), "", f"Python {platform.python_version()}, {versions}."]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        Path(options.out).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

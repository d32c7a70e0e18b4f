"""What a benchmark ran on, and how much of it other programs took meanwhile."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from benchmarks.bench.processes import ROOT

PACKAGES = ("torch", "transformers", "peft", "ray", "trl", "lm-eval")
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def hardware() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    known = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = [flag for flag in FLAGS if flag in known.get("flags", "").split()]
    memory = psutil.virtual_memory().total / 1e9
    name = known.get("model name", platform.processor() or platform.machine())
    return f"{os.cpu_count()} cores of {name} ({', '.join(flags) or 'flags not known'}), {memory:.0f} GB"


def versions() -> str:
    return ", ".join([f"Python {platform.python_version()}", *(f"{p} {_version(p)}" for p in PACKAGES)])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def commit() -> str:
    """Short, with a word when files differ from it."""
    try:
        name = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
        changed = subprocess.run(["git", "status", "--porcelain", "-uno"], cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return "not known"
    return (name.stdout.strip() or "not known") + (" with changes" if changed.stdout.strip() else "")


class Others:
    """How many cores other programs kept busy since this was made."""

    def __init__(self) -> None:
        self._began, self._busy, self._own = time.perf_counter(), _busy_seconds(), _own_seconds()

    def cores(self) -> float:
        taken = (_busy_seconds() - self._busy) - (_own_seconds() - self._own)
        # The two clocks do not tick together.
        return min(max(0.0, taken / (time.perf_counter() - self._began)), os.cpu_count() or 1)


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0) - getattr(times, "guest", 0)


def _own_seconds() -> float:
    """Of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)

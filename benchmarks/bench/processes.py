"""Runs a function in a process of its own, and many such in turn."""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

ROOT = Path(__file__).resolve().parents[2]
_END_OF_ERRORS = 3000  # characters shown of what a failed process wrote

W = TypeVar("W", bound=Hashable)
R = TypeVar("R")


def call(function: str, threads: int | None, **arguments: Any) -> Any:
    """What `module:function` gives, in a fresh process on the CPU. Arguments and result go through JSON.

    With `threads` None, the libraries take as many as they like. Raises RuntimeError with the end of its errors where
    the process fails.
    """
    quiet = {"CUDA_VISIBLE_DEVICES": "", "RAY_USAGE_STATS_ENABLED": "0", "TOKENIZERS_PARALLELISM": "false"}
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS") if threads}
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        process = subprocess.run(
            [sys.executable, "-m", "benchmarks.bench.processes", function, str(result)],
            cwd=ROOT,
            env=os.environ | quiet | limits,
            input=json.dumps(arguments),
            capture_output=True,
            text=True,
        )
        if process.returncode or not result.exists():
            raise RuntimeError(f"{function} {arguments}: {process.stderr[-_END_OF_ERRORS:]}")
        return json.loads(result.read_text())


class Found(NamedTuple, Generic[W, R]):
    results: dict[W, list[R]]  # by way, one for each repeat
    failed: dict[W, str]  # why, for the ways that are not among the results


def in_turn(ways: Sequence[W], repeats: int, measure: Callable[[W, int], R], at_once: int) -> Found[W, R]:
    """What `measure(way, repeat)` gives, by way. Order: A B C A B C ..., so that what changes on the machine meets all
    alike; so many `at_once`. A way that raises is left out."""
    with ThreadPoolExecutor(at_once) as pool:
        futures = [(way, pool.submit(measure, way, repeat)) for repeat in range(repeats) for way in ways]
    results: dict[W, list[R]] = {way: [] for way in ways}
    failed: dict[W, str] = {}
    for way, future in futures:
        error = future.exception()
        if error is not None:
            failed.setdefault(way, str(error))
        else:
            results[way].append(future.result())
    return Found({way: each for way, each in results.items() if way not in failed}, failed)


def _child() -> None:
    function, result = sys.argv[1:]
    given = pkgutil.resolve_name(function)(**json.load(sys.stdin))
    Path(result).write_text(json.dumps(given))


if __name__ == "__main__":
    _child()

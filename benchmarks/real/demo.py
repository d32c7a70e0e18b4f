"""Takes out of recorded runs what `make demo-real` trains on, and shows what PaDA-Agent had found.

    python -m benchmarks.real.demo benchmarks/results/real_table --to runs/demo-real-data

The samples were written by a real teacher on failures of a real student, and are kept. So whoever has that student can
train on them without a teacher, and see what they are worth (configs/real/demo.yaml).
"""

from __future__ import annotations

import argparse
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from pada_ray.printable import printable
from pada_ray.records import Pattern, Strategy
from pada_ray.runs import run_files
from pada_ray.storage import Folder

CELL = "dataset-banking77_seed-10_method-{}.tar.xz"
ITERATION = 1
_SHOWN = 3  # patterns


class Found(NamedTuple):
    """A pattern of failures, and the strategy drafted for it, as far as there is one."""

    pattern: Pattern
    strategy: Strategy | None


def take_out(archives: Path, methods: list[str], to: Path) -> dict[str, int]:
    """Writes `to`/METHOD.jsonl, the training set of each method's last model, and `to`/vanilla.jsonl, what all of them
    began with. Returns their sizes. Raises SystemExit where a method is not recorded."""
    to.mkdir(parents=True, exist_ok=True)
    sizes = {}
    for method in methods:
        with tempfile.TemporaryDirectory() as folder:
            run = _unpacked(archives / CELL.format(method), folder)
            sets = {"vanilla": run_files.training_set(0), method: run_files.training_set(ITERATION)}
            for name, file in sets.items():
                lines = run.read_text(file)
                (to / f"{name}.jsonl").write_text(lines, encoding="utf-8")
                sizes[name] = len(lines.splitlines())
    return sizes


def findings(archives: Path, method: str = "pada") -> list[Found]:
    """The patterns of a recorded run, the most frequent first."""
    with tempfile.TemporaryDirectory() as folder:
        run = _unpacked(archives / CELL.format(method), folder)
        patterns = [Pattern.model_validate(p) for p in run.read_yaml(run_files.patterns(ITERATION))]
        strategies = [Strategy.model_validate(s) for s in run.read_yaml(run_files.strategies(ITERATION))]
    by_cluster = {s.cluster: s for s in strategies}
    ordered = sorted(patterns, key=lambda p: -p.size)
    return [Found(p, by_cluster.get(p.cluster)) for p in ordered]


def _unpacked(archive: Path, folder: str) -> Folder:
    if not archive.is_file():
        raise SystemExit(f"{archive}: no such file; benchmarks/README.md tells how runs are recorded")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return Folder(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", type=Path, help="the folder of recorded runs")
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--methods", nargs="+", default=["pada", "blind"])
    given = parser.parse_args()
    for name, size in take_out(given.archives, given.methods, given.to).items():
        print(f"{given.to}/{name}.jsonl: {size} samples")
    for pattern, strategy in findings(given.archives)[:_SHOWN]:
        print(printable(f"\npattern, {pattern.size} failures: {pattern.category_name}: {pattern.error_pattern}"))
        if strategy:
            print(printable(f"strategy: {strategy.strategy_name}: {strategy.generation_approach}"))


if __name__ == "__main__":
    main()

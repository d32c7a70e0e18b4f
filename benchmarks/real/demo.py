"""Takes out of recorded runs what `make demo-real` trains on, and shows what PaDA-Agent had found.

    python -m benchmarks.real.demo benchmarks/results/real_table --to runs/demo-real-data

The samples were written by a real teacher on failures of a real student, and are kept. So whoever has that student can
train on them without a teacher, and see what they are worth (configs/real/demo.yaml).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.kept_sweep import extract
from pada_ray.data.splits import read_data
from pada_ray.findings.lineage import PatternRow, pattern_rows, read_findings
from pada_ray.printable import printable
from pada_ray.records import Sample
from pada_ray.runs import run_files
from pada_ray.runs.configs import read_config
from pada_ray.storage import Folder

CELL = "dataset-banking77_seed-10_method-{}.tar.xz"
ITERATION = 1
_SHOWN = 3  # patterns


def take_out(archives: Path, methods: list[str], to: Path) -> dict[str, int]:
    """Writes `to`/METHOD.jsonl, the training set of each method's last model, and `to`/vanilla.jsonl, what all of them
    began with: the training data of their configs. Returns their sizes. Raises SystemExit where a method is not
    recorded."""
    sets = {}
    for method in methods:
        with tempfile.TemporaryDirectory() as folder:
            run = extract(recorded(archives, method), folder)
            sets["vanilla"] = read_data(read_config(run))["train"]
            sets[method] = run.read_records(run_files.training_set(ITERATION), Sample)
    for name, samples in sets.items():
        Folder(str(to)).write_records(f"{name}.jsonl", samples)
    return {name: len(samples) for name, samples in sets.items()}


def findings(archives: Path, method: str = "pada") -> list[PatternRow]:
    """The patterns of a recorded run with their strategies, the most frequent first."""
    with tempfile.TemporaryDirectory() as folder:
        rows = pattern_rows(read_findings(extract(recorded(archives, method), folder), ITERATION))
    return sorted(rows, key=lambda row: -row.size)


def recorded(archives: Path, method: str) -> Path:
    """The archive of a method's recorded run. Raises SystemExit where there is none."""
    archive = archives / CELL.format(method)
    if not archive.is_file():
        raise SystemExit(f"{archive}: no such file; benchmarks/README.md tells how runs are recorded")
    return archive


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", type=Path, help="the folder of recorded runs")
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--methods", nargs="+", default=["pada", "blind"])
    given = parser.parse_args()
    for name, size in take_out(given.archives, given.methods, given.to).items():
        print(f"{given.to}/{name}.jsonl: {size} samples")
    for row in findings(given.archives)[:_SHOWN]:
        print(printable(f"\npattern, {row.size} failures: {row.category_name}: {row.error_pattern}"))
        if row.strategy_name:
            print(printable(f"strategy: {row.strategy_name}: {row.generation_approach}"))


if __name__ == "__main__":
    main()

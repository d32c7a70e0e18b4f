"""How the failures of a sweep's runs come about, in tasks with labels: another label, or none of them.

    python -m benchmarks.real.labels runs/demo-real

Needs the runs themselves, since kept results have no replies.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable
from statistics import fmean
from typing import NamedTuple

from pada_ray.findings.confusions import confused_pairs
from pada_ray.records import Failure, Prediction, Sample
from pada_ray.runs import run_files
from pada_ray.runs.state import is_done, read_state
from pada_ray.runs.sweep import CELLS, FILE
from pada_ray.storage import Folder
from pada_ray.tasks.label import NO_LABEL


class Kinds(NamedTuple):
    """Of the last model of a run on test: shares of the items, 0 to 1."""

    right: float
    another_label: float
    no_label: float


def kinds(run: Folder) -> Kinds:
    samples = {sample.id: sample for sample in run.read_records(run_files.split("test"), Sample)}
    last = list(read_state(run).scores)[-1]
    replies = [p for p in run.read_records(run_files.predictions(last), Prediction) if p.split == "test"]
    failures = [Failure(sample=samples[p.id], reply=p.reply) for p in replies if p.failed]
    pairs = confused_pairs(failures, run_files.read_knowledge(run))
    none = sum(pair.times for pair in pairs if pair.given == NO_LABEL)
    counts = (len(replies) - len(failures), len(failures) - none, none)
    return Kinds(*(count / len(replies) for count in counts))


def by_method(sweep: Folder) -> dict[str, list[Kinds]]:
    """Of the finished runs, in the order of the grid."""
    found: dict[str, list[Kinds]] = defaultdict(list)
    for cell in sweep.read_yaml(FILE)["cells"]:
        run = Folder(sweep.at(f"{CELLS}/{cell['name']}"))
        if is_done(run):
            found[str(cell["coordinates"]["method"])].append(kinds(run))
    return found


def row(method: str, of_runs: Iterable[Kinds]) -> str:
    columns = list(zip(*of_runs, strict=True))
    means = [f"{100 * fmean(column):.1f}" for column in columns]
    return f"| {method} | {len(columns[0])} | {' | '.join(means)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", help="the folder of a sweep, with its runs")
    print("| method | runs | right on test, % | another label, % | no label, % |\n|---|---:|---:|---:|---:|")
    for method, of_runs in by_method(Folder(parser.parse_args().sweep)).items():
        print(row(method, of_runs))


if __name__ == "__main__":
    main()

"""How far the new samples of recorded runs aim at what the student got wrong.

    python -m benchmarks.real.aim benchmarks/results/real_table

For tasks with labels. A label's failure rate is the share of its validation samples that the model before got wrong.
The mean of that rate over the labels of the new samples says what they aim at. It stands beside that of the training
samples, from which seeds are drawn, and that of labels drawn as the failures are.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from benchmarks.kept_sweep import extract
from pada_ray.data.splits import read_data
from pada_ray.records import Prediction, Sample
from pada_ray.runs import run_files
from pada_ray.runs.configs import read_config

ITERATION = 1


class Aim(NamedTuple):
    """Of one run; all but the numbers of samples are shares, 0 to 1."""

    name: str
    samples: int
    of_seed: float  # new samples that have the label of their seed
    new: float  # mean failure rate
    train: float
    failures: float


def aim(archive: Path) -> Aim:
    """Of the new samples of the first iteration."""
    with tempfile.TemporaryDirectory() as folder:
        run = extract(archive, folder)
        config = read_config(run)
        splits = read_data(config)
        before = run.read_records(run_files.predictions(run_files.model(ITERATION - 1)), Prediction)
        training_set = run.read_records(run_files.training_set(ITERATION), Sample)
    failed = {p.id for p in before if p.split == "val" and p.failed}
    rates = failure_rates(splits["val"], failed)
    given = {s.id: _label(s) for s in splits["train"]}
    new = [s for s in training_set if s.id not in given]
    return Aim(
        f"{config.data.dataset}, seed {config.seed}, {config.method}",
        len(new),
        fmean(given[s.meta["seed"]] == _label(s) for s in new),
        _mean(rates, map(_label, new)),
        _mean(rates, given.values()),
        _mean(rates, (_label(s) for s in splits["val"] if s.id in failed)),
    )


def failure_rates(val: Iterable[Sample], failed: set[str]) -> dict[str, float]:
    """Of each label that val has."""
    val = list(val)
    all_of, failed_of = Counter(map(_label, val)), Counter(_label(s) for s in val if s.id in failed)
    return {label: failed_of[label] / count for label, count in all_of.items()}


def _mean(rates: dict[str, float], labels: Iterable[str]) -> float:
    """Over the labels that val has: of the others nothing is known."""
    return fmean(rates[label] for label in labels if label in rates)


def _label(sample: Sample) -> str:
    return str(sample.answer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", type=Path, help="the folder of recorded runs")
    columns = ["run", "new samples", "with their seed's label, %", "failure rate of their labels, %"]
    print(f"| {' | '.join([*columns, 'of train', 'of failures'])} |\n|---|---:|---:|---:|---:|---:|")
    for archive in sorted(parser.parse_args().archives.glob("*.tar.xz")):
        a = aim(archive)
        shares = " | ".join(f"{100 * share:.1f}" for share in a[2:])
        print(f"| {a.name} | {a.samples} | {shares} |")


if __name__ == "__main__":
    main()

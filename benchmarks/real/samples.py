"""Writes training sets that say what is missing in the new samples of recorded runs, for tasks with labels.

    python -m benchmarks.real.samples benchmarks/results/real_table --to runs/real-samples-data

All begin with the recorded runs' training samples. What follows:

vanilla            nothing
pada, blind        what the recorded run accepted, which its teacher's second answer had confirmed
pada_confirmed,    of all drafts that the run screened, those whose label a classifier of the training samples
blind_confirmed    (`quality_control.verify: classifier`) gives too; as many as were accepted, if there are so many
relabelled         PaDA-Agent's accepted questions, with the labels of a classifier that has learned from all training
                   and validation messages of the dataset: more than any method may know, so it is no rival
real               as many messages more of the dataset's own training data: no rival either

It prints how often that second classifier agrees with the labels.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.real.demo import ITERATION, recorded
from benchmarks.real.recording import replayed
from pada_ray.agents.brief import Brief, read_brief
from pada_ray.agents.nearest import Finder
from pada_ray.agents.training_samples import TrainingSamples
from pada_ray.data.splits import read_data
from pada_ray.records import Candidate, Message, Sample
from pada_ray.runs import run_files
from pada_ray.runs.configs import read_config
from pada_ray.storage import Folder
from pada_ray.tasks.label import Label

METHODS = ("pada", "blind")
SETS = ("vanilla", "pada", "blind", "pada_confirmed", "blind_confirmed", "relabelled", "real")
REGIME = 1000  # the largest training file


def write_sets(archives: Path, to: Path) -> dict[str, list[Sample]]:
    """Writes `to`/NAME.jsonl for each set. Returns what follows the training samples in each."""
    new: dict[str, list[Sample]] = {"vanilla": []}
    for method in METHODS:
        with tempfile.TemporaryDirectory() as folder:
            _, run = asyncio.run(replayed(recorded(archives, method), folder))
            config = read_config(run)
            brief = read_brief(run, config.data.task)
            train = run_files.read_samples(run, config.data.task)["train"]
            accepted = _samples(run, run_files.accepted(ITERATION), {None})
            drafted = accepted + _samples(run, run_files.rejected(ITERATION), {"not confirmed"})
        embedding = config.pattern_analysis.embedding
        of_train = Classifier(train, brief, embedding)
        confirmed = of_train.confirmed(drafted)
        new |= {method: accepted, f"{method}_confirmed": confirmed[: len(accepted)]}
        print(f"{method}: {len(drafted)} drafts with another question each, {len(confirmed)} confirmed by train")
    more = config.data.model_copy(update={"regime": REGIME})
    real = read_data(config.model_copy(update={"data": more}))
    knowing = Classifier(real["train"] + real["val"], brief, embedding)
    new["real"] = real["train"][len(train) : len(train) + len(new["pada"])]
    new["relabelled"] = knowing.relabelled(new["pada"])
    for name in SETS:
        Folder(str(to)).write_records(f"{name}.jsonl", train + new[name])
    print(f"\nright on test: a classifier of the training samples {of_train.share(real['test']):.1%}")
    print(f"               that which knows more {knowing.share(real['test']):.1%}")
    print("the latter gives of the labels of the new samples of")
    for name in sorted(new.keys() - {"vanilla", "real", "relabelled"}):
        print(f"{name} {knowing.share(new[name]):.1%} ({len(new[name])} samples)")
    return new


class Classifier:
    """Quality control's own (`quality_control.verify: classifier`), of samples with labels."""

    def __init__(self, known: Sequence[Sample], brief: Brief, embedding: str):
        self._known = TrainingSamples(known, Finder(embedding, 0))
        self._brief = brief

    def labels(self, samples: Sequence[Sample]) -> list[str]:
        questions = [self._brief.frame.taken_off(sample.question) for sample in samples]
        labels, _ = asyncio.run(self._known.kinds(questions, Label.name, self._brief))
        return labels

    def confirmed(self, samples: Sequence[Sample]) -> list[Sample]:
        return [sample for sample, label in zip(samples, self.labels(samples), strict=True) if label == sample.answer]

    def share(self, samples: Sequence[Sample]) -> float:
        return len(self.confirmed(samples)) / len(samples)

    def relabelled(self, samples: Sequence[Sample]) -> list[Sample]:
        return [_with(sample, label) for sample, label in zip(samples, self.labels(samples), strict=True)]


def _samples(run: Folder, file: str, verdicts: set[str | None]) -> list[Sample]:
    """Of the file's candidates, each question once: as it was first written, in the order in which they were last."""
    candidates = run.read_records(file, Candidate)
    found = [c.sample for c in candidates if c.sample and c.rejected in verdicts]
    return list({sample.question: sample for sample in reversed(found)}.values())[::-1]


def _with(sample: Sample, label: str) -> Sample:
    messages = [*sample.messages[:-1], Message(role="assistant", content=label)]
    return sample.model_copy(update={"messages": messages, "answer": label})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", type=Path, help="the folder of recorded runs")
    parser.add_argument("--to", type=Path, required=True)
    given = parser.parse_args()
    write_sets(given.archives, given.to)


if __name__ == "__main__":
    main()

"""Writes training sets that say what is missing in the new samples of recorded runs, for tasks with labels.

    python -m benchmarks.real.samples benchmarks/results/real_table --to runs/real-samples-data

All begin with the recorded runs' training samples. What follows:

vanilla            nothing
pada, blind        what the recorded run accepted, which its teacher's second answer had confirmed
pada_confirmed,    of all drafts that the run screened, those whose label a classifier of the training samples
blind_confirmed    (`LabelClassifier`) gives too; as many as were accepted, if there are so many
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

from benchmarks.real.demo import CELL, ITERATION
from benchmarks.real.recording import replayed
from pada_ray.agents.brief import Brief, read_brief
from pada_ray.agents.label_classifier import LabelClassifier
from pada_ray.data.splits import read_data
from pada_ray.records import Candidate, Message, Sample
from pada_ray.runs import run_files
from pada_ray.runs.configs import read_config
from pada_ray.storage import Folder

METHODS = ("pada", "blind")


def write_sets(archives: Path, to: Path) -> dict[str, list[Sample]]:
    """Writes `to`/NAME.jsonl for each set. Returns what follows the training samples in each."""
    new: dict[str, list[Sample]] = {"vanilla": []}
    for method in METHODS:
        with tempfile.TemporaryDirectory() as folder:
            _, run = asyncio.run(replayed(archives / CELL.format(method), folder))
            config = read_config(run)
            brief = read_brief(run, config.data.task)
            train = run_files.read_samples(run, config.data.task)["train"]
            accepted = _samples(run, run_files.accepted(ITERATION), {None})
            drafted = accepted + _samples(run, run_files.rejected(ITERATION), {"not confirmed"})
        embedding = config.pattern_analysis.embedding
        new[method] = accepted
        confirmed = _confirmed(drafted, _classifier(train, brief, embedding), brief)
        new[f"{method}_confirmed"] = confirmed[: len(accepted)]
        print(f"{method}: {len(drafted)} drafts with another question each, {len(confirmed)} confirmed by train")
    size = len(train)
    more = config.data.model_copy(update={"regime": 1000})
    real = read_data(config.model_copy(update={"data": more}))
    knowing = _classifier(real["train"] + real["val"], brief, embedding)
    new["real"] = real["train"][size : size + len(new["pada"])]
    new["relabelled"] = _relabelled(new["pada"], knowing, brief)
    for name, samples in new.items():
        Folder(str(to)).write_records(f"{name}.jsonl", train + samples)
    of_train = _share(real["test"], _classifier(train, brief, embedding), brief)
    of_more = _share(real["test"], knowing, brief)
    print(
        f"\nright on test: {of_train:.1%}, a classifier of the training samples; {of_more:.1%}, that which knows more"
    )
    print("the latter gives of the labels of the new samples of")
    for name in sorted(new.keys() - {"vanilla", "real", "relabelled"}):
        print(f"{name} {_share(new[name], knowing, brief):.1%} ({len(new[name])} samples)")
    return new


def _samples(run: Folder, file: str, verdicts: set[str | None]) -> list[Sample]:
    """Of the file's candidates, in order, each question once."""
    candidates = run.read_records(file, Candidate)
    found = [c.sample for c in candidates if c.sample and c.rejected in verdicts]
    return list({sample.question: sample for sample in reversed(found)}.values())[::-1]


def _classifier(samples: Sequence[Sample], brief: Brief, embedding: str) -> LabelClassifier:
    return LabelClassifier(_texts(samples, brief), [str(s.answer) for s in samples], embedding)


def _texts(samples: Sequence[Sample], brief: Brief) -> list[str]:
    return [brief.frame.taken_off(sample.question) for sample in samples]


def _confirmed(samples: Sequence[Sample], classifier: LabelClassifier, brief: Brief) -> list[Sample]:
    labels = classifier.labels(_texts(samples, brief))
    return [sample for sample, label in zip(samples, labels, strict=True) if label == sample.answer]


def _share(samples: Sequence[Sample], classifier: LabelClassifier, brief: Brief) -> float:
    return len(_confirmed(samples, classifier, brief)) / len(samples)


def _relabelled(samples: Sequence[Sample], classifier: LabelClassifier, brief: Brief) -> list[Sample]:
    labels = classifier.labels(_texts(samples, brief))
    return [_with(sample, label) for sample, label in zip(samples, labels, strict=True)]


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

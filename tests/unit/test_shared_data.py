"""The benchmark splits that are kept beside the repository, where they are."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pada_ray.agents.leak_guard import LeakGuard
from pada_ray.data.samples import question_key
from pada_ray.data.splits import load_splits
from pada_ray.records import Sample
from pada_ray.tasks import Task, get_task

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no benchmark splits at {DATA}")

SIZES = {
    "gsm8k": (1000, 500, 500),
    "hellaswag": (1000, 500, 500),
    "squad": (1000, 500, 500),
    "arc_challenge": (1000, 299, 500),
    "humaneval": (64, 50, 50),
}


def _with_neighbours(task: Task, samples: list[Sample]) -> list[tuple[Sample, Sample, bool]]:
    """Each sample with another one in a shuffled ring, and whether the other's reference reply fails it."""
    ring = random.Random(0).sample(samples, len(samples))
    others = [*ring[1:], ring[0]]
    failed = task.fails_many([other.reference for other in others], ring)
    return list(zip(ring, others, failed, strict=True))


def _same_answer(sample: Sample, other: Sample) -> bool:
    accepted = sample.answer if isinstance(sample.answer, list) else [sample.answer]
    return (other.reference if sample.task == "extractive_qa" else other.answer) in accepted


@pytest.mark.parametrize("name", SIZES)
def test_splits(name):
    """Loading runs every reference reply through its own task; the reply of another sample fails."""
    train = "train_limited" if name == "humaneval" else "train_1000"
    splits = load_splits(*(str(DATA / name / f"{file}.jsonl") for file in (train, "val", "test")))
    assert tuple(map(len, splits.values())) == SIZES[name]

    samples = [sample for split in splits.values() for sample in split]
    task = get_task(samples[0].task)
    wrong = [sample.id for sample in samples if task.name != "code" and task.check(sample).verdict == "wrong"]
    allowed = 8 if name == "gsm8k" else 0  # slips in the worked solutions of GSM8K itself
    assert len(wrong) <= allowed

    for sample, other, fails in _with_neighbours(task, samples):
        assert fails or _same_answer(sample, other), (sample.id, other.id)

    guard = LeakGuard([*splits["val"], *splits["test"]], splits["train"])
    held_out = {question_key(sample): sample for sample in splits["val"]}
    assert all(guard.hits(sample.question) for sample in held_out.values())
    assert not any(guard.hits(sample.question) for sample in splits["train"])

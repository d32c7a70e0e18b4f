"""The benchmark splits that are kept beside the repository, where they are."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pada_ray.agents.leak_guard import LeakGuard
from pada_ray.data.samples import question_key
from pada_ray.data.splits import load_splits
from pada_ray.errors import DataError
from pada_ray.records import Sample
from pada_ray.tasks import Knowledge, Task, get_task, learn

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no benchmark splits at {DATA}")

SIZES = {
    "gsm8k": (1000, 500, 500),
    "hellaswag": (1000, 500, 500),
    "squad": (1000, 500, 500),
    "arc_challenge": (1000, 299, 500),
    "humaneval": (64, 50, 50),
    "banking77": (1000, 500, 500),
    "snips": (1000, 500, 500),
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
    task = get_task(samples[0].task, learn(splits["train"], Knowledge()))
    wrong = [sample.id for sample in samples if task.name != "code" and task.check(sample).verdict == "wrong"]
    # Slips in the worked solutions of GSM8K itself; fields of snips that are lists in val and never in train.
    allowed = {"gsm8k": 8, "snips": 4}.get(name, 0)
    assert len(wrong) <= allowed

    for sample, other, fails in _with_neighbours(task, samples):
        assert fails or _same_answer(sample, other), (sample.id, other.id)

    guard = LeakGuard([*splits["val"], *splits["test"]], splits["train"])
    held_out = {question_key(sample): sample for sample in splits["val"]}
    unguarded = [sample for sample in held_out.values() if not guard.hits(sample.question)]
    # Short messages, such as "Supported countries", that train has within longer ones.
    assert len(unguarded) <= {"banking77": 2, "snips": 4}.get(name, 0)
    assert all(guard.leaks(sample) for sample in unguarded)
    assert not any(guard.hits(sample.question) for sample in splits["train"])


def test_the_smallest_draw_of_banking77_needs_its_file_of_labels():
    folder = DATA / "banking77"
    labels = (folder / "labels.txt").read_text().split()
    files = [str(folder / f"{file}.jsonl") for file in ("train_300", "val", "test")]
    with pytest.raises(DataError, match=r"val\.jsonl:\d+: .* is none of the 74 labels"):
        load_splits(*files)
    splits = load_splits(*files, given=Knowledge(labels=labels))
    assert len(labels) == 77 and len({s.answer for s in splits["train"]}) == 74


def test_every_value_of_snips_is_copied_from_the_request():
    splits = load_splits(*(str(DATA / "snips" / f"{file}.jsonl") for file in ("train_300", "val", "test")))
    known = learn(splits["train"], Knowledge())
    assert known.composed_fields == ["name"]
    assert len(get_task("json", known).describe().splitlines()) == 7 + 2
    wrong = [get_task("json", known).check(s).reason for s in splits["val"] + splits["test"]]
    assert not any("copied" in reason for reason in wrong)

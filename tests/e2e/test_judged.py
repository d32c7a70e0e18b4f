"""The whole loop on open-ended replies, with the tiny student and the offline teacher as the judge."""

from __future__ import annotations

import pytest
from conftest import ROOT, pada, read_state

from pada_ray.records import Prediction
from pada_ray.storage import Folder

DATA = ROOT / "tests" / "e2e" / "data" / "judged"


def judged_run(tmp_path, **settings):
    values = {f"data.{split}": DATA / f"{split}.jsonl" for split in ("train", "val", "test")}
    values |= {key.replace("__", "."): value for key, value in settings.items()}
    args = [part for key, value in values.items() for part in ("--set", f"{key}={value}")]
    pada("run", str(ROOT / "configs/smoke/judged.yaml"), *args, cwd=tmp_path)
    run = tmp_path / "runs" / "smoke-judged"
    state = read_state(run)
    assert state.status == "done"
    return state, Folder(str(run))


def predictions(folder: Folder, model: str) -> list[Prediction]:
    return folder.read_records(f"{model}/predictions.jsonl", Prediction)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_judge_decides_what_fails(tmp_path):
    state, folder = judged_run(tmp_path)
    for model, scores in state.scores.items():
        graded = predictions(folder, model)
        assert len(graded) == sum(score.samples for score in scores.values())
        assert all(p.failed == (p.rating < 3) and p.feedback for p in graded if p.reply)
        assert sum(score.unscored for score in scores.values()) == 0
        for split, score in scores.items():
            assert score.failures == sum(p.failed for p in graded if p.split == split)
    trained = state.scores["iteration-0"]["train"]
    assert trained.accuracy > state.scores["base"]["val"].accuracy, "training taught it nothing that the judge sees"
    counts = state.counts["iteration-1"]
    assert counts["accepted"] == counts["quota"] == 20
    assert {u.role for u in state.usage if u.purpose == "grading"} == {"judge"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ratings_that_cannot_be_read_are_no_scores(tmp_path):
    state, folder = judged_run(
        tmp_path,
        method="vanilla",
        fine_tune__epochs=1,
        grading__batch_size=2,
        llm__max_reasks=0,
        offline__faults__empty=0.3,
    )
    assert sum(score.unscored for scores in state.scores.values() for score in scores.values()) > 0
    for model, scores in state.scores.items():
        graded = predictions(folder, model)
        for split, score in scores.items():
            mine = [p for p in graded if p.split == split]
            assert [p.rating for p in mine if p.failed is None] == [None] * score.unscored
            rated = [p for p in mine if p.failed is not None]
            assert score.accuracy == pytest.approx(sum(not p.failed for p in rated) / len(rated))

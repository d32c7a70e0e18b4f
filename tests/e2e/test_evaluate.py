"""Models evaluated outside a run, by the real command."""

from __future__ import annotations

import re

from conftest import ROOT, pada, read_state, settings


def test_an_adapter_scores_as_in_its_run_and_the_base_model_as_before_it(uninterrupted, tmp_path):
    scores = read_state(uninterrupted).scores
    adapter = str(uninterrupted / "iteration-1/adapter")
    # The splits that go together are those of the run, for a reply may depend on what is in its batch.
    every = [part for split in scores["iteration-1"] for part in ("--split", split)]
    adapted = pada("evaluate", str(uninterrupted), "--adapter", adapter, *every, cwd=tmp_path)
    base = pada("evaluate", str(ROOT / "configs/demo.yaml"), *settings(), cwd=tmp_path)
    for told, model in ((adapted, "iteration-1"), (base, "base")):
        found = dict(re.findall(r"^(\w+): (\S+% of \d+) right", told.stdout, re.MULTILINE))
        assert found == {s: f"{100 * score.accuracy:.1f}% of {score.samples}" for s, score in scores[model].items()}
    assert f"predictions: {uninterrupted.parent}/demo-evaluation/predictions.jsonl" in adapted.stdout
    assert (tmp_path / "runs/demo-evaluation/predictions.jsonl").read_text().count("\n") == 2 * 20

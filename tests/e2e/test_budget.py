"""A run that reaches its budget, by the real command: it pauses, says so, and goes on with a higher budget."""

from __future__ import annotations

from conftest import ROOT, pada, read_state, settings

from pada_ray.event_log import read_events
from pada_ray.storage import Folder


def test_a_run_pauses_at_its_budget_and_goes_on_with_a_higher_one(tmp_path):
    small = settings(budget__tokens=12_000, llm__teacher__max_tokens=4096, llm__judge__max_tokens=4096)
    done = pada("run", str(ROOT / "configs/demo.yaml"), *small, cwd=tmp_path, check=False)
    assert done.returncode == 3, done.stderr
    assert "the budget is reached" in done.stderr
    run = tmp_path / "runs" / "demo"
    paused = read_state(run)
    assert paused.status == "paused"
    assert paused.error is not None
    assert paused.error.startswith("the budget is reached: ")
    said = pada("status", str(run), cwd=tmp_path).stdout
    assert "paused, last change" in said
    assert "error: the budget is reached: " in said

    pada("resume", str(run), "--set", "budget.tokens=10000000", cwd=tmp_path)
    assert read_state(run).status == "done"
    events = [e for e in read_events(Folder(str(run))) if e.event.startswith("run ")]
    assert [e.event for e in events] == ["run began", "run paused", "run resumed", "run ended"]
    assert events[1].figures["error"] == paused.error
    assert events[2].figures["finished_stages"] == len(paused.finished)

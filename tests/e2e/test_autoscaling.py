"""Workers come for a sweep, are gone while only LLMs are at work, and go after it."""

from __future__ import annotations

import pytest
from clusters import Autoscaled
from conftest import Started, read_state, settings, wait_until
from test_sweep import write_sweep

# Different seeds, so that the two have nothing in common and want a worker each.
GRID = {"cell": {"vanilla": {"method": "vanilla"}, "pada": {"seed": 1}}}
TYPES = {
    "cpu": {"resources": {"CPU": 1}, "max_workers": 3},
    "gpu": {"resources": {"CPU": 1, "GPU": 1}, "max_workers": 3},
}


@pytest.fixture
def cluster(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    cluster = Autoscaled(home, TYPES)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.end()


@pytest.mark.slow
def test_workers_come_for_a_sweep_and_go_after_it(cluster, tmp_path):
    file = write_sweep(tmp_path, GRID)
    given = settings(offline__latency_ms=4000, fine_tune__gpus_per_worker=0, shared_disk=True)  # evaluation: `auto`
    run = tmp_path / "runs/small/cells/cell-pada"
    seen = set()

    def stage():
        seen.add(tuple(cluster.workers()))
        state = read_state(run)
        return state.stage if state else ""

    assert cluster.workers() == []
    sweep = Started("sweep", file, *given, cwd=tmp_path, env=cluster.env)
    sweep.wait_until(lambda: stage() == "iteration-1: data generation", "data generation", poll=0.5)
    assert ("gpu", "gpu") in seen  # for both base evaluations, though there was no GPU when they began
    assert any("cpu" in types for types in seen)  # for fine-tuning
    sweep.wait_until(lambda: cluster.workers() == [], "the end of the idle workers", poll=0.5)
    assert stage() == "iteration-1: data generation"
    assert "cell-pada: done" in sweep.finish()
    wait_until(lambda: cluster.workers() == [], "end of the workers", 60)

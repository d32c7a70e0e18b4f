"""Workers come for a sweep, are gone while only LLMs are at work, and go after it."""

from __future__ import annotations

import time

import pytest
import yaml
from clusters import Autoscaled
from conftest import ROOT, Started, read_state, settings

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
    raw = yaml.safe_load((ROOT / "configs/demo.yaml").read_text())
    file = tmp_path / "sweep.yaml"
    file.write_text(yaml.safe_dump(raw | {"name": "small", "parallel": 2, "grid": GRID}))
    given = settings(offline__latency_ms=4000, fine_tune__gpus_per_worker=0, shared_disk=True)  # evaluation: `auto`
    run = tmp_path / "runs/small/cells/cell-pada"
    seen = set()

    def stage():
        seen.add(tuple(cluster.workers()))
        state = read_state(run)
        return state.stage if state else ""

    assert cluster.workers() == []
    sweep = Started("sweep", str(file), *given, cwd=tmp_path, env=cluster.env)
    sweep.wait_until(lambda: stage() == "iteration-1: data generation", "data generation", poll=0.5)
    assert ("gpu", "gpu") in seen  # for both base evaluations, though there was no GPU when they began
    assert any("cpu" in types for types in seen)  # for fine-tuning
    sweep.wait_until(lambda: cluster.workers() == [], "the end of the idle workers", poll=0.5)
    assert stage() == "iteration-1: data generation"
    assert "cell-pada: done" in sweep.finish()
    deadline = time.monotonic() + 60
    while cluster.workers():
        assert time.monotonic() < deadline, f"still there: {cluster.workers()}"
        time.sleep(0.5)

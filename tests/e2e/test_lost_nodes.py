"""A run on a cluster that loses a node in every kind of stage, and is given a new one each time, ends as one that
nothing disturbed."""

from __future__ import annotations

import pytest
from clusters import running_on, take_away, three_nodes
from conftest import ROOT, Started, settings
from test_kill_and_resume import assert_same_outcome, stage_is

STUDENT = "ray::ResidentStudent"
STAGES = {  # and what does their work on a node with a CPU; the agents and their LLM calls are beside the driver
    "base: evaluation": STUDENT,
    "iteration-0: fine-tuning": STUDENT,
    "iteration-1: error analysis": None,
    "iteration-1: data generation": None,
    "iteration-1: evaluation": STUDENT,
}


@pytest.fixture
def cluster():
    cluster = three_nodes()
    yield cluster
    cluster.shutdown()


@pytest.mark.slow
def test_nodes_are_lost_in_every_kind_of_stage(cluster, tmp_path, uninterrupted):
    run = tmp_path / "runs" / "demo"
    on_cluster = {"RAY_ADDRESS": cluster.address, "RAY_AUTH_MODE": "token"}
    slow = settings(offline__latency_ms=1500, shared_disk=True)
    started = Started("run", str(ROOT / "configs/demo.yaml"), *slow, cwd=tmp_path, env=on_cluster)

    def busy(title="ray::"):
        return [node for node in cluster.worker_nodes if running_on(node, title)]

    for stage, title in STAGES.items():
        started.wait_until(lambda s=stage: stage_is(run, s), stage)
        if title is None:
            started.wait_until(lambda: not busy(), f"nodes without work in {stage}", poll=0.2)
            lost = next(iter(cluster.worker_nodes))
        else:
            started.wait_until(lambda t=title: bool(busy(t)), f"{title} in {stage}", poll=0.2)
            (lost,) = busy(title)
        take_away(cluster, lost)
        cluster.add_node(num_cpus=1, wait=False)  # the run goes on meanwhile
    started.finish()
    assert_same_outcome(run, uninterrupted)

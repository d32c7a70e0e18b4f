"""A run on this machine's disk is kept from a cluster whose nodes would not see it."""

from __future__ import annotations

import os

import pytest
from clusters import Autoscaled, three_nodes
from conftest import ROOT, pada, settings


def three(tmp_path):
    cluster = three_nodes()
    return {"RAY_ADDRESS": cluster.address, "RAY_AUTH_MODE": "token"}, cluster.shutdown, "the cluster has 3 nodes"


def autoscaled(tmp_path):
    """A head alone, which starts other nodes when there is work."""
    cluster = Autoscaled(tmp_path, {"cpu": {"resources": {"CPU": 1}, "max_workers": 3}})
    cluster.start()
    return cluster.env, cluster.end, "the cluster may add nodes by its autoscaler"


@pytest.mark.parametrize("kind", [three, pytest.param(autoscaled, marks=pytest.mark.slow)])
def test_a_local_path_is_refused_before_anything_is_spent(kind, tmp_path):
    address, end, why = kind(tmp_path)
    try:
        demo = str(ROOT / "configs/demo.yaml")
        done = pada("run", demo, *settings(), cwd=tmp_path, check=False, timeout=120, env=address)
    finally:
        end()
    run = tmp_path / "runs" / "demo"
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"error: runs: {run} is on this machine's disk, and {why}; set shared_disk: true if")
    assert not {"state.json", "base", "replies.sqlite"} & set(os.listdir(run))

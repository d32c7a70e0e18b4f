"""Where candidates are screened on a cluster of two nodes, one of whose sandboxes is too weak."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import ROOT, environment

SCRIPT = """
import time
import ray
from collections import namedtuple
from ray.cluster_utils import Cluster
from actors import screening

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)
ray.init(address=cluster.address, log_to_driver=False)
weak = next(node["NodeID"] for node in ray.nodes() if node["NodeID"] != ray.get_runtime_context().get_node_id())


@ray.remote(num_cpus=0)
def here():
    time.sleep(1)
    return ray.get_runtime_context().get_node_id()


@ray.remote(num_cpus=0)
def holds(required):
    return ray.get_runtime_context().get_node_id() != weak


screening._sandbox_holds = holds
for runs_code in (False, True):
    place, at_a_time = screening.screening_place(namedtuple("Screen", "runs_code")(runs_code), "strong")
    used = set(ray.get([here.options(**place).remote() for _ in range(8)]))
    print(runs_code, at_a_time, len(used), weak in used)
"""


@pytest.mark.slow
def test_screening_is_spread_and_code_stays_off_a_node_with_a_weak_sandbox():
    command = [sys.executable, "-c", SCRIPT]
    env = environment() | {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, env=env)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == ["False 2 2 True", "True 1 1 False"]

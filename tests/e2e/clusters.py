"""Ray clusters of several nodes on this machine."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import psutil
import ray
import yaml
from local_server import free_port
from ray._private.authentication.authentication_token_setup import (
    enable_token_auth_by_default,
    ensure_token_if_auth_enabled,
)
from ray.autoscaler._private.fake_multi_node.node_provider import (
    FAKE_HEAD_NODE_ID,
    FAKE_HEAD_NODE_TYPE,
    FakeMultiNodeProvider,
)
from ray.cluster_utils import Cluster

# Ray's own processes, and workers that wait for a task.
_OF_RAY = ("ray::IDLE", "ray::DashboardAgent", "ray::RuntimeEnvAgent")
# A node that is gone is noticed within two seconds.
_WATCHFUL = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 500,
    "health_check_failure_threshold": 3,
}


def three_nodes() -> Cluster:
    """A head that has no CPU, as the one of cluster.yaml, and two nodes with one each. It asks for a token, as a Ray of
    one's own does."""
    enable_token_auth_by_default()
    ensure_token_if_auth_enabled()
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, "_system_config": _WATCHFUL}
    )
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    return cluster


def running_on(node: Any, title: str = "ray::") -> list[psutil.Process]:
    """A node's processes that work for somebody, with titles that begin so."""
    return [p for p, t in _processes_of(node) if t.startswith(title) and not t.startswith(_OF_RAY)]


def take_away(cluster: Cluster, node: Any) -> None:
    """Ends a node and all that runs on it at once, as of a machine that is gone."""
    below = [process for process, _ in _processes_of(node)]
    cluster.remove_node(node, allow_graceful=False)
    for process in below:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(below, timeout=30)


def _processes_of(node: Any) -> list[tuple[psutil.Process, str]]:
    """What a node started, with titles."""
    (raylet,) = node.all_processes["raylet"]
    found = []
    for process in psutil.Process(raylet.process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            found.append((process, " ".join(process.cmdline())))
    return found


class Autoscaled:
    """A head without a CPU whose autoscaler starts and ends nodes on this machine, by Ray's fake provider.

    Not `ray.cluster_utils.AutoscalingCluster`: that begins by ending every Ray on the machine. It and the provider's
    short name, `fake_multinode`, also read a file that the installed Ray lacks. `home` becomes the home folder, where
    `ray up` would put the autoscaler's config as well.
    """

    def __init__(self, home: Path, types: dict[str, dict[str, Any]]):
        self.address = f"{ray.util.get_node_ip_address()}:{free_port()}"
        self.env = {
            "RAY_ADDRESS": self.address,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "HOME": str(home),
        }
        self._mark = uuid.uuid4().hex
        self._config = home / "ray_bootstrap_config.yaml"
        self._config.write_text(yaml.safe_dump(self._settings(types)))

    def start(self) -> None:
        port = self.address.rpartition(":")[2]
        done = subprocess.run(
            [
                str(Path(sys.executable).parent / "ray"),
                *("start", "--head", f"--port={port}", "--num-cpus=0", "--include-dashboard=false"),
                f"--autoscaling-config={self._config}",
            ],
            capture_output=True,
            text=True,
            env={key: value for key, value in (os.environ | self.env).items() if key != "RAY_ADDRESS"}
            | {
                "CLUSTER_TEST_MARK": self._mark,
                "AUTOSCALER_UPDATE_INTERVAL_S": "1",
                "RAY_FAKE_CLUSTER": "1",
                # As `ray up` starts a head.
                "RAY_enable_autoscaler_v2": "1",
                "RAY_CLOUD_INSTANCE_ID": FAKE_HEAD_NODE_ID,
                "RAY_OVERRIDE_NODE_ID_FOR_TESTING": FAKE_HEAD_NODE_ID,
                "RAY_NODE_TYPE_NAME": FAKE_HEAD_NODE_TYPE,
            },
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _settings(self, types: dict[str, dict[str, Any]]) -> dict[str, Any]:
        return {
            "cluster_name": "test",
            "max_workers": 8,
            "upscaling_speed": 1.0,
            "idle_timeout_minutes": 0.05,
            "provider": {
                "type": "external",
                "module": f"{FakeMultiNodeProvider.__module__}.{FakeMultiNodeProvider.__name__}",
                "use_node_id_as_ip": True,
                "disable_node_updaters": True,
                "disable_launch_config_check": True,
                "launch_multiple": True,
                "head_node_id": FAKE_HEAD_NODE_ID,
                "gcs_address": self.address,
            },
            "auth": {},
            # What `ray up` fills in, and the autoscaler then asks for.
            **{f"{who}setup_commands": [] for who in ("", "head_", "worker_")},
            **{f"{who}_start_ray_commands": [] for who in ("head", "worker")},
            "initialization_commands": [],
            "file_mounts": {},
            "cluster_synced_files": [],
            "head_node_type": FAKE_HEAD_NODE_TYPE,
            "available_node_types": {
                FAKE_HEAD_NODE_TYPE: {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
                **{name: {"node_config": {}, "min_workers": 0} | settings for name, settings in types.items()},
            },
        }

    def workers(self) -> list[str]:
        """The types of the nodes that there are beside the head."""
        types = []
        for process in self._processes():
            with contextlib.suppress(psutil.Error):  # it has just ended
                if process.name() == "raylet":
                    types.append(process.environ()["RAY_NODE_TYPE_NAME"])
        return sorted(t for t in types if t != FAKE_HEAD_NODE_TYPE)

    def end(self) -> None:
        """Ends what this cluster started, and nothing else."""
        processes = self._processes()
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=30)

    def _processes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("CLUSTER_TEST_MARK") == self._mark:
                    found.append(process)
        return found

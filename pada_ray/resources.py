"""The resources of this machine and of the cluster, and what the cluster's autoscaler may add."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from pada_ray.errors import ConfigError

# `ray up` puts the autoscaler's config here, on the head of the cluster. Ray has no API for it.
AUTOSCALER_CONFIG = Path("~/ray_bootstrap_config.yaml")
# The label of nodes that an autoscaler started, and of all KubeRay nodes.
_NODE_GROUP = "ray.io/node-group"

Node = dict[str, Any]


def cores() -> int:
    """The number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpus_for(setting: float | str, most: float = 1) -> float:
    """CPUs for one worker: the number given; for `auto`, `most`."""
    return most if setting == "auto" else float(setting)


def gpus_for(setting: float | str) -> float:
    """GPUs for one worker: the number given; for `auto`, 1 if the cluster has a GPU or its autoscaler may add one, else
    0. Raises ConfigError if that is unknown. To be called on the head."""
    if setting != "auto":
        return float(setting)
    import ray

    file = AUTOSCALER_CONFIG.expanduser()
    config = yaml.safe_load(file.read_text()) if file.is_file() else None
    return 1.0 if may_have_gpus([node for node in ray.nodes() if node["Alive"]], config) else 0.0


def may_have_gpus(nodes: Sequence[Node], autoscaler: dict[str, Any] | None) -> bool:
    """Whether one of the `nodes` (as in `ray.nodes()`) has a GPU, or an autoscaler with this config may add one. Raises
    ConfigError if there may be an autoscaler whose config is unknown."""
    if any(node["Resources"].get("GPU", 0) >= 1 for node in nodes):
        return True
    if autoscaler is not None:
        types = autoscaler.get("available_node_types", {}).values()
        return any(t.get("resources", {}).get("GPU", 0) >= 1 and t.get("max_workers", 1) > 0 for t in types)
    if any(_NODE_GROUP in node.get("Labels", {}) for node in nodes):
        raise ConfigError(
            "gpus_per_worker: auto: the cluster has no GPU, and whether its autoscaler may add one is unknown; "
            "set fine_tune.gpus_per_worker and evaluation.gpus_per_worker to 1, or to 0 for the CPU"
        )
    return False


def other_nodes() -> str | None:
    """Why work may run on other nodes: they exist, or an autoscaler may add some. None if it cannot."""
    import ray

    return explain_nodes(ray.nodes(), _autoscaling_status())


def explain_nodes(nodes: Sequence[Node], autoscaling: str | bytes | None) -> str | None:
    """See `other_nodes`. `nodes` are as in `ray.nodes()`; `autoscaling` is the JSON that Ray's monitor writes."""
    alive = [node for node in nodes if node["Alive"]]
    if len(alive) > 1:
        return f"the cluster has {len(alive)} nodes"
    return "the cluster may add nodes by its autoscaler" if _may_grow(alive, autoscaling) else None


def all_nodes() -> list[Node] | None:
    """The living nodes, as in `ray.nodes()`; None if an autoscaler may add others."""
    import ray

    alive = [node for node in ray.nodes() if node["Alive"]]
    grows = AUTOSCALER_CONFIG.expanduser().is_file() or _may_grow(alive, _autoscaling_status())
    return None if grows else alive


def room_for(nodes: Sequence[Node], cpus: float, gpus: float) -> int:
    """How many workers with `cpus` and `gpus`, not both 0, fit on these nodes when idle."""
    needed = {name: amount for name, amount in (("CPU", cpus), ("GPU", gpus)) if amount}
    # Ray counts in ten-thousandths, so 0.3 holds 0.1 three times.
    return sum(
        min(int(node["Resources"].get(name, 0) / amount + 1e-4) for name, amount in needed.items()) for node in nodes
    )


def _may_grow(alive: Sequence[Node], autoscaling: str | bytes | None) -> bool:
    # A node that was started by hand has no type; Ray's monitor invents one with this prefix.
    report = json.loads(autoscaling or "{}").get("autoscaler_report") or {}
    managed = any(not kind.startswith("node_") for kind in report.get("active_nodes", {}))
    return managed or any(_NODE_GROUP in node.get("Labels", {}) for node in alive)


def _autoscaling_status() -> bytes | None:
    from ray._private.ray_constants import DEBUG_AUTOSCALING_STATUS
    from ray.experimental.internal_kv import _internal_kv_get

    return _internal_kv_get(DEBUG_AUTOSCALING_STATUS)

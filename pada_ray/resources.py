"""What the cluster has."""

from __future__ import annotations


def gpus_for(setting: float | str) -> float:
    """GPUs for one worker: the number given, or for `auto` one if the cluster has any, else none."""
    import ray

    if setting != "auto":
        return float(setting)
    return 1.0 if ray.cluster_resources().get("GPU", 0) >= 1 else 0.0

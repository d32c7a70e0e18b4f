"""Ray without this project: what a run's processes take when none of them has anything to do."""

from __future__ import annotations

from typing import Any

import ray
import ray.data

ACTORS = 5  # orchestrator, computation, pattern analysis, gateway, student


class Idle:
    """An actor, or a stage of a dataset, that does nothing."""

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return batch


def start_and_stream(iterations: int) -> int:
    """Starts Ray here with a run's actors, and for each iteration a dataset with the stages of data generation. Gives
    the number of rows that came out."""
    ray.init(address="local", dashboard_host="127.0.0.1", log_to_driver=False)
    actors = [ray.remote(num_cpus=0)(Idle).remote() for _ in range(ACTORS)]
    ray.get([actor.__ray_ready__.remote() for actor in actors])
    rows = sum(len(_stream().take_all()) for _ in range(iterations))
    ray.shutdown()
    return rows


def _stream() -> Any:
    written = _agent(_rows()).map_batches(Idle(), batch_size=1, num_cpus=0)
    return written.union(_agent(_rows()))


def _rows() -> Any:
    return ray.data.range(1, override_num_blocks=1)


def _agent(dataset: Any) -> Any:
    return dataset.map_batches(Idle, batch_size=1, num_cpus=0, compute=ray.data.ActorPoolStrategy(size=1))

"""The stage of data generation between the agents: screening, as tasks of Ray Data spread over the cluster."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import ray

from actors.attempts import through
from actors.remote import NODE_ID, on_this_node
from pada_ray.agents.screening import Screen
from pada_ray.errors import PadaError
from pada_ray.records import Batch, Candidate
from pada_ray.resources import all_nodes, cores
from pada_ray.sandbox import check_level
from pada_ray.sandbox.launch import Level


def screened(rows: dict[str, Any], screen: list[Any]) -> dict[str, Any]:
    """Rows in: batches with candidates; out: with the candidates screened. `screen` holds a reference to a Screen."""

    async def work(batch: Batch, candidates: list[Candidate]) -> list[Candidate]:
        return _fetched(*screen).screen(batch, candidates)

    return asyncio.run(through(rows, work))


@functools.lru_cache(maxsize=1)  # a process screens many batches by the same screen, and it can be large
def _fetched(screen: Any) -> Screen:
    fetched: Screen = ray.get(screen)
    return fetched


def screening_place(screen: Screen, required: Level) -> tuple[dict[str, Any], int]:
    """Where screening runs, as options of its tasks, and how many of these at a time: spread over the cluster, or on
    this node alone where an autoscaler would keep or start others for it.

    They ask for no CPU, since they are short, and would else wait for another run's training to end. Code is executed
    on nodes alone whose sandbox has been found to be as strong as the config asks.
    """
    nodes = all_nodes()
    if nodes is None or len(nodes) == 1:
        return {"num_cpus": 0, **on_this_node(must=screen.runs_code)}, cores()
    place: dict[str, Any] = {"num_cpus": 0, "scheduling_strategy": "SPREAD"}
    if screen.runs_code:
        held = ray.get([_sandbox_holds.options(label_selector={NODE_ID: n["NodeID"]}).remote(required) for n in nodes])
        nodes = [node for node, holds in zip(nodes, held, strict=True) if holds]
        place |= {"label_selector": {NODE_ID: f"in({','.join(node['NodeID'] for node in nodes)})"}}
    return place, max(1, sum(int(node["Resources"].get("CPU", 0)) for node in nodes))


@ray.remote(num_cpus=0)
def _sandbox_holds(required: Level) -> bool:
    """Whether the sandbox of the node where this runs is as strong as required."""
    try:
        check_level(required)
    except PadaError:
        return False
    return True

"""Data generation and quality control over many batches at once, by Ray Data."""

from __future__ import annotations

import asyncio
from typing import Any

import ray.data

from actors.remote import on_this_node
from pada_ray.agents.quotas import Generator, Judge, augment_batch
from pada_ray.records import Batch, BatchOutcome


def augment_batches(
    name: str, batches: list[Batch], generator: Generator, judge: Judge, max_regenerations: int, in_flight: int
) -> list[BatchOutcome]:
    """The outcome of every batch, in any order. About `in_flight` batches are under way at a time. Ray shows the
    name."""
    rows = ray.data.from_items([{"batch": b.model_dump_json()} for b in batches], override_num_blocks=1)
    outcomes = rows.map_batches(
        _AugmentationWorker,
        fn_constructor_args=(generator, judge, max_regenerations),
        # Ray Data keeps four async batches of rows under way in an actor. Small ones, since a batch of rows is done
        # only when its slowest row is.
        batch_size=max(1, in_flight // 4),
        compute=ray.data.ActorPoolStrategy(size=1),
        # A share of a CPU would have an autoscaler start or keep a worker, which may have a GPU, to wait for LLMs.
        num_cpus=0,
        **on_this_node(),
    )
    outcomes.set_name(name)
    return [BatchOutcome.model_validate_json(row["outcome"]) for row in outcomes.take_all()]


class _AugmentationWorker:
    """Columns in: batch; out: outcome. It only waits for the agents, which wait for the LLMs."""

    def __init__(self, generator: Generator, judge: Judge, max_regenerations: int):
        self._generator = generator
        self._judge = judge
        self._max_regenerations = max_regenerations

    async def __call__(self, rows: dict[str, Any]) -> Any:
        batches = [Batch.model_validate_json(text) for text in rows["batch"]]
        outcomes = await asyncio.gather(
            *(augment_batch(b, self._generator, self._judge, self._max_regenerations) for b in batches)
        )
        yield {"outcome": [o.model_dump_json() for o in outcomes]}

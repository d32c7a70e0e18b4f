"""The agents of `pada_ray/agents`, as Ray runs them.

The Pattern Analysis Agent is an actor by name. The Data Generation Agent and the Quality Control Agent are the actors
of two stages of `generation.py`, and live as long as an iteration's data generation.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import ray

from actors.attempts import through
from actors.remote import ACTOR_OPTIONS
from pada_ray.agents import data_generation, quality_control
from pada_ray.agents.pattern_analysis import PatternAnalysisAgent
from pada_ray.records import Batch, Candidate

PatternAnalysisActor = ray.remote(**ACTOR_OPTIONS)(PatternAnalysisAgent)


class DataGenerationAgent(data_generation.DataGenerationAgent):  # Ray Data shows the class's name
    """Rows in: batches of attempts; out: with the candidates that were written."""

    async def __call__(self, rows: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        async def generate(batch: Batch, _: list[Candidate]) -> list[Candidate]:
            return await self.generate(batch)

        yield await through(rows, generate)


class QualityControlAgent(quality_control.QualityControlAgent):
    """Rows in: batches with screened candidates; out: with the judge's verdict on each."""

    async def __call__(self, rows: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        async def judge(batch: Batch, candidates: list[Candidate]) -> list[Candidate]:
            return await self.assess(batch, candidates)

        yield await through(rows, judge)

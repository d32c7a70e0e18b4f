"""The Data Generation Agent, as an actor."""

from __future__ import annotations

import ray

from actors.remote import ACTOR_OPTIONS
from pada_ray.agents.data_generation import DataGenerationAgent

DataGenerationActor = ray.remote(**ACTOR_OPTIONS)(DataGenerationAgent)

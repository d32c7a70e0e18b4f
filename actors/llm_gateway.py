"""The gateway to an LLM endpoint, as an actor: one per endpoint, for all agents of the run."""

from __future__ import annotations

import ray

from actors.remote import ACTOR_OPTIONS
from pada_ray.llm.gateway import LlmGateway

LlmGatewayActor = ray.remote(**ACTOR_OPTIONS)(LlmGateway)

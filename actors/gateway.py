"""The gateway to an LLM endpoint, as an actor: one per endpoint, for all runs and their agents."""

from __future__ import annotations

import hashlib
from typing import Any

import ray

from actors.metrics import CallMetrics
from actors.remote import ACTOR_OPTIONS
from pada_ray.config import EndpointConfig
from pada_ray.config.teacher import TeacherSettings
from pada_ray.llm.gateway import LlmGateway

# Calls wait in the gateway, which lets them through fairly, and not in a queue before it.
LlmGatewayActor = ray.remote(**ACTOR_OPTIONS, max_concurrency=100_000)(LlmGateway)


def gateway_name(endpoint: EndpointConfig, cache: str, address: str | None) -> str:
    """What the actor is called that all share who use this endpoint, with these settings and this cache."""
    content = "\n".join([endpoint.model_dump_json(), cache, address or ""])
    digest = hashlib.sha256(content.encode()).hexdigest()[:12]
    return f"gateway to {endpoint.model} at {endpoint.base_url} ({digest})"


def hold_gateway(
    endpoint: EndpointConfig,
    cache: str,
    address: str | None,
    placement: dict[str, Any],
    copy: str | None,
    offline: TeacherSettings,
) -> Any:
    """The actor for an endpoint, made where it is not there yet. It lives as long as whoever made it holds what comes
    back here."""
    options = {"name": gateway_name(endpoint, cache, address), "get_if_exists": True, **placement}
    return LlmGatewayActor.options(**options).remote(endpoint, cache, address, CallMetrics(), copy, offline)

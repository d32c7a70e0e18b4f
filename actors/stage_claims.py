"""The claims on stages that runs share, as an actor: one for each store of stages."""

from __future__ import annotations

from typing import Any

import ray

from actors.remote import ACTOR_OPTIONS, on_this_node
from pada_ray.runs.shared_stages import StageClaims

StageClaimsActor = ray.remote(**ACTOR_OPTIONS)(StageClaims)


def claims_name(store: str) -> str:
    """What the actor for a store of stages is called."""
    return f"claims: {store}"


def hold_claims(store: str) -> Any:
    """The actor for a store of stages. It lives as long as the handle that comes back."""
    return StageClaimsActor.options(name=claims_name(store), **on_this_node()).remote(store)

"""The Pattern Analysis Agent, as an actor."""

from __future__ import annotations

import ray

from actors.remote import ACTOR_OPTIONS
from pada_ray.agents.pattern_analysis import PatternAnalysisAgent

PatternAnalysisActor = ray.remote(**ACTOR_OPTIONS)(PatternAnalysisAgent)

"""The judge of open-ended replies, as an actor."""

from __future__ import annotations

import ray

from actors.remote import ACTOR_OPTIONS
from pada_ray.agents.grading import Grader

GraderActor = ray.remote(**ACTOR_OPTIONS)(Grader)

"""PaDA-Agent, whose function is Algorithm 1 in `algorithm.py`."""

from __future__ import annotations

from pada_ray.algorithm import pada_agent
from pada_ray.methods.method import Method

METHOD = Method(
    pada_agent,
    instruction="pattern_generation",
    error_instruction="error_generation",
    reviewed=True,
    finds_patterns=True,
)

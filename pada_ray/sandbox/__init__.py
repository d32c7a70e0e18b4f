"""Runs untrusted Python programs, each in its own sandbox. docs/sandbox.md says what a sandbox prevents."""

from pada_ray.sandbox.levels import check_level, describe_level, standing
from pada_ray.sandbox.run import cores, run_python, run_python_many
from pada_ray.sandbox.supervise import SandboxResult

__all__ = ["SandboxResult", "check_level", "cores", "describe_level", "run_python", "run_python_many", "standing"]

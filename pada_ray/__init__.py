"""PaDA-Agent (arXiv 2510.18143) as a Ray application: find why a small model fails, and train it on data made for that.

From Python, `from pada_ray import Config, run, load_run`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobs.api import run
    from pada_ray.config import Config
    from pada_ray.report.loaded import load_run

__all__ = ["Config", "load_run", "run"]

# Looked up when they are first used. So a module of the package does not wait for all of them, and `run`, which starts
# Ray and the actors, can live above this package, where imports go jobs -> actors -> pada_ray.
_HOMES = {"Config": "pada_ray.config", "load_run": "pada_ray.report.loaded", "run": "jobs.api"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

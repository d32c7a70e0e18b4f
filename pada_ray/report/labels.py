"""The names of models in tables and charts."""

from __future__ import annotations

from pada_ray.runs import run_files


def label(model: str, method: str) -> str:
    """The name for readers. `model` is base, iteration-0, ...; `method` is the run's."""
    if model == run_files.BASE:
        return "base model"
    if model == run_files.model(0):
        return "vanilla fine-tuning"
    return f"{method} {model.replace('-', ' ')}"

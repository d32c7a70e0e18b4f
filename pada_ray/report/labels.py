"""What models are called in tables and charts."""

from __future__ import annotations

from pada_ray.run import run_files


def label(model: str, method: str) -> str:
    """`model` is base, iteration-0, ..., `method` the run's."""
    if model == run_files.BASE:
        return "base model"
    if model == run_files.model(0):
        return "vanilla fine-tuning"
    return f"{method} {model.replace('-', ' ')}"

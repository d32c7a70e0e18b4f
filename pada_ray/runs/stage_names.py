"""What stages are called: by the model that they are about and by their kind, such as `iteration-1: fine-tuning`."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal[
    "fine-tuning",
    "evaluation",
    "grading",
    "losses on train",
    "error analysis",
    "clustering",
    "pattern categorization",
    "strategy drafting",
    "review of strategies",
    "data generation",
    "review of samples",
]

PATTERN_KINDS: tuple[Kind, ...] = ("error analysis", "clustering", "pattern categorization")
"""The stages that find patterns, in their order."""


class Parts(NamedTuple):
    """`kind` is empty where a run is in no such stage: it has just begun, or is done."""

    model: str
    kind: str


def stage_name(model: str, kind: Kind) -> str:
    return f"{model}: {kind}"


def parts_of(stage: str) -> Parts:
    model, _, kind = stage.partition(": ")
    return Parts(model, kind)

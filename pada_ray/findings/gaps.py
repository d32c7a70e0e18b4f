"""The generalization gap of every model, from a run's state. PaDA-Agent aims to reduce it (section 1)."""

from __future__ import annotations

from pada_ray.records import Record
from pada_ray.runs.state import RunState

NOTE = (
    "The agents see val, and val selects the best model unless part of it is held apart (val apart). The gap from val "
    "to that part or to test shows how much was fitted to val"
)


class GeneralizationGap(Record):
    """Accuracies of one model, 0 to 1, and their differences. nan: no reply was scored.

    A positive gap means that the model does worse on data that it, or the agents, have seen less of. Train is the
    original training set, without synthetic samples. No model is trained on val, but the agents see it, and it selects
    the best model unless part of it is held apart. The gaps from val to that part and to test show how much of the
    gain on val was fitted to val.
    """

    model: str
    train: float | None  # None for the base model, which is not evaluated there
    val: float | None  # None for a model that was trained on it
    val_apart: float | None  # None where no part of val is held apart
    test: float | None  # None in a run without test split
    train_minus_val: float | None
    val_minus_apart: float | None
    val_minus_test: float | None


def gaps(state: RunState) -> list[GeneralizationGap]:
    """The gaps of each evaluated model, in order: base, iteration-0, ..."""
    found = []
    for model, scores in state.scores.items():
        accuracy = {split: score.accuracy for split, score in scores.items()}
        train, val, test = accuracy.get("train"), accuracy.get("val"), accuracy.get("test")
        apart = accuracy.get("val_apart")
        found.append(
            GeneralizationGap(
                model=model,
                train=train,
                val=val,
                val_apart=apart,
                test=test,
                train_minus_val=_difference(train, val),
                val_minus_apart=_difference(val, apart),
                val_minus_test=_difference(val, test),
            )
        )
    return found


def _difference(more: float | None, less: float | None) -> float | None:
    return None if more is None or less is None else more - less

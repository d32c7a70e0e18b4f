"""The generalization gap of every model: what PaDA-Agent is to make smaller (section 1), from a run's state."""

from __future__ import annotations

from pada_ray.records import Record
from pada_ray.run.state import RunState, read_state
from pada_ray.storage import Folder

NOTE = (
    "Agents have seen val, and it chooses the best model unless a part of it is held apart (val apart), so a gap from "
    "val to that part or to test shows what was fitted to val"
)


class GeneralizationGap(Record):
    """Accuracies of one model, 0 to 1 (nan where no reply was scored), and their differences. Positive gaps say that
    it does worse on what it has seen less of.

    Train is the original training set, without synthetic samples. Val was seen by the agents, though never trained on,
    and chooses the best model unless a part of it is held apart, so the gaps from val to that part and to test show how
    much of the gain on val was fitted to val.
    """

    model: str
    train: float | None  # None for the base model, which is not evaluated there
    val: float
    val_apart: float | None  # None where no part of val is held apart
    test: float | None  # None in a run without test split
    train_minus_val: float | None
    val_minus_apart: float | None
    val_minus_test: float | None


def read_gaps(folder: Folder) -> list[GeneralizationGap]:
    """One for each evaluated model, in order: base, iteration-0, ..."""
    return gaps(read_state(folder))


def gaps(state: RunState) -> list[GeneralizationGap]:
    """As `read_gaps`, from a state in memory."""
    found = []
    for model, scores in state.scores.items():
        accuracy = {split: score.accuracy for split, score in scores.items()}
        train, val, test = accuracy.get("train"), accuracy["val"], accuracy.get("test")
        apart = accuracy.get("val_apart")
        found.append(
            GeneralizationGap(
                model=model,
                train=train,
                val=val,
                val_apart=apart,
                test=test,
                train_minus_val=None if train is None else train - val,
                val_minus_apart=None if apart is None else val - apart,
                val_minus_test=None if test is None else val - test,
            )
        )
    return found

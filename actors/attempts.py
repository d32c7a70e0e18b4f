"""The rows of data generation: a batch of attempts, its candidates so far, and the error that stopped it. A log of
them."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from pydantic import TypeAdapter

from pada_ray.errors import PadaError, root_cause
from pada_ray.records import Batch, Candidate

_CANDIDATES = TypeAdapter(list[Candidate])

Rows = dict[str, Any]
"""Columns: id, step, batch and candidates as JSON, error pickled (empty where there is none)."""

Step = Literal["write", "review"]
"""Whether a batch is to be written and screened, or its candidates are to be judged."""


def row_of(step: Step, batch: Batch, candidates: Sequence[Candidate] = ()) -> dict[str, Any]:
    """The row that a batch begins with, with the candidates that it has by then."""
    return {
        "id": batch.id,
        "step": step,
        "batch": batch.model_dump_json(),
        "candidates": _as_json(candidates),
        "error": b"",
    }


def outcome_of(row: dict[str, Any]) -> list[Candidate]:
    """The candidates of a row that has been through all stages. Raises the PadaError that stopped it."""
    if row["error"]:
        error: PadaError = pickle.loads(row["error"])
        raise error
    return _CANDIDATES.validate_json(row["candidates"])


async def through(rows: Rows, work: Callable[[Batch, list[Candidate]], Awaitable[list[Candidate]]]) -> Rows:
    """The rows after a stage's work. A PadaError becomes part of its row: Ray Data would add words of its own to it."""
    done = [await _one_through(row, work) for row in _each(rows)]
    return {column: [row[column] for row in done] for column in rows}


async def _one_through(
    row: dict[str, Any], work: Callable[[Batch, list[Candidate]], Awaitable[list[Candidate]]]
) -> dict[str, Any]:
    if row["error"]:
        return row
    try:
        candidates = await work(Batch.model_validate_json(row["batch"]), outcome_of(row))
    except PadaError as e:
        return row | {"error": pickle.dumps(root_cause(e))}
    return row | {"candidates": _as_json(candidates)}


def _as_json(candidates: Sequence[Candidate]) -> str:
    return _CANDIDATES.dump_json(list(candidates)).decode()


def _each(rows: Rows) -> Sequence[dict[str, Any]]:
    columns = list(rows)
    return [dict(zip(columns, values, strict=True)) for values in zip(*rows.values(), strict=True)]


class AttemptLog:
    """The rows of an iteration in the order in which they were made. A reader that died begins at the first one
    again, as Ray expects of it."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any] | None] = []
        self._grown = threading.Condition()

    def append(self, row: dict[str, Any] | None) -> None:
        """None says that there are no more."""
        with self._grown:
            self._rows.append(row)
            self._grown.notify_all()

    def at(self, position: int) -> dict[str, Any] | None:
        """The row there, as soon as there is one."""
        with self._grown:
            self._grown.wait_for(lambda: len(self._rows) > position)
            return self._rows[position]

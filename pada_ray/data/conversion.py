"""Converts data from another layout to samples, and accounts for every dropped row."""

from __future__ import annotations

import importlib
import io
import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import fsspec
from pydantic import ValidationError

from pada_ray.data.columns import fields_of, layout_of
from pada_ray.data.layouts import LAYOUTS, Row
from pada_ray.data.own_files import unused_id
from pada_ray.data.samples import by_question, problem_of
from pada_ray.errors import DataError, one_line
from pada_ray.randomness import shuffled
from pada_ray.records import Sample, Split
from pada_ray.tasks import check_named_by_data, get_task

UNKNOWN = ""  # a missing task, which the config gives, or a missing answer, which the task reads


class Converted(NamedTuple):
    where: str  # such as `line 3`
    row: Row
    sample: Sample


class Dropped(NamedTuple):
    where: str
    why: str


class Conversion(NamedTuple):
    layout: str
    converted: list[Converted]
    dropped: list[Dropped]


def read_converted(path: str, layout: str | None = None, task: str | None = None) -> Conversion:
    """The rows of a JSON, JSONL or parquet file as samples.

    Args:
        path: local path or fsspec URL.
        layout: one of LAYOUTS; None takes the one that most rows have.
        task: the task of rows that name none; each answer is then read from its reply and checked. In our own layout
            `messages`, a row's `task`, `answer` and `meta` are kept.

    Raises:
        DataError: the file cannot be read, has no known layout, or has no row that can be converted.
        ConfigError: the task is unknown.
    """
    if task is not None:
        get_task(task)
    rows, dropped = _read(path)
    layout = layout or layout_of(list(rows.values()), least=0)
    if layout is None:
        keys = ", ".join(map(str, next(iter(rows.values())))) if rows else "none"
        raise DataError(f"{path}: unknown layout, none of {', '.join(LAYOUTS)}; the keys of its first row: {keys}")
    stem, used = PurePosixPath(path).stem, set[str]()
    converted: list[Converted] = []
    for where, row in rows.items():
        name = unused_id(row, f"{stem}-{where.partition(' ')[2]}", used)
        try:
            converted.append(Converted(where, row, _sample(name, row, layout, task)))
        except ValueError as e:
            dropped.append(Dropped(where, problem_of(e) if isinstance(e, ValidationError) else one_line(e)))
    if not converted:
        first = f"; {dropped[0].where}: {dropped[0].why}" if dropped else ""
        raise DataError(f"{path}: no row can be converted{first}")
    return Conversion(layout, converted, dropped)


def cut(samples: Sequence[Sample], shares: dict[Split, float], seed: int) -> dict[Split, list[Sample]]:
    """Cuts the samples into splits, by shares of the questions. Samples with equal questions share a split.

    Raises DataError if a split would be empty.
    """
    questions = by_question(samples)
    left = shuffled(questions, seed)
    splits: dict[Split, list[Sample]] = {}
    for split in ("test", "val"):
        size = round(shares[split] * len(questions))
        splits[split], left = [s for group in left[:size] for s in group], left[size:]
    splits["train"] = [s for group in left for s in group]
    empty = [split for split, share in shares.items() if share and not splits[split]]
    if empty:
        raise DataError(f"--split: too few questions ({len(questions)}), {empty[0]} would be empty")
    return {split: splits[split] for split in shares if splits[split]}


def as_line(sample: Sample) -> str:
    """The sample as a JSON line, without an unknown task or answer and without empty `meta`.

    `Folder.write_records` would write them as "", which a reader takes for given values.
    """
    unknown = {field for field in ("task", "answer") if getattr(sample, field) == UNKNOWN}
    return sample.model_dump_json(exclude=unknown | ({"meta"} if not sample.meta else set()))


def _sample(name: str, row: Row, layout: str, task: str | None) -> Sample:
    given = {"id": name, "task": task or UNKNOWN, "answer": UNKNOWN}
    sample = Sample.model_validate(given | fields_of(row, None, layout))
    if sample.task == UNKNOWN:
        return sample
    check_named_by_data(sample.task, task)
    known = get_task(sample.task)
    if sample.answer == UNKNOWN:
        answer = known.answer_of(sample.messages)
        if answer is None:
            raise ValueError(f"no answer can be read from the reply (task {sample.task})")
        sample = sample.model_copy(update={"answer": answer})
    if known.fails(sample.reference, sample):
        raise ValueError(f"the reply does not satisfy its own answer (task {sample.task})")
    return sample


def _read(path: str) -> tuple[dict[str, Row], list[Dropped]]:
    """The JSON objects of a file by place, and the dropped entries, which are none."""
    try:
        with fsspec.open(path, "rb") as file:
            data = file.read()
        values = _parquet(data) if path.endswith(".parquet") else _json(data.decode("utf-8-sig"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except Exception as e:  # each file system, and pyarrow, has its own errors
        raise DataError(f"{path}: cannot be read ({type(e).__name__}: {one_line(e)})") from None
    rows: dict[str, Row] = {where: value for where, value in values if isinstance(value, dict)}
    return rows, [Dropped(where, "not a JSON object") for where, _ in values if where not in rows]


def _parquet(data: bytes) -> list[tuple[str, Any]]:
    table = importlib.import_module("pyarrow.parquet").read_table(io.BytesIO(data))
    return [(f"row {number}", row) for number, row in enumerate(table.to_pylist(), start=1)]


def _json(text: str) -> list[tuple[str, Any]]:
    """(place, value) of the entries of one array, or else of every line that is not blank."""
    array = _json_or_none(text) if text.lstrip().startswith("[") else None
    if isinstance(array, list):
        return [(f"row {number}", value) for number, value in enumerate(array, start=1)]
    lines = enumerate(text.split("\n"), start=1)
    return [(f"line {number}", _json_or_none(line)) for number, line in lines if line.strip()]


def _json_or_none(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None

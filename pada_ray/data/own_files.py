"""The user's own files as samples, whatever their kind and layout, and one file cut into train, val and test."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import chain, count
from pathlib import PurePosixPath
from typing import Any, get_args

import fsspec

from pada_ray.config import SplitShares
from pada_ray.config.plain_file import what_instead
from pada_ray.data.columns import Columns, fields_of, layout_of, names_in, unmistakable
from pada_ray.data.layouts import LAYOUTS, Row
from pada_ray.data.proposal import propose, task_of
from pada_ray.data.samples import question_key
from pada_ray.data.tables import Rows, read_rows
from pada_ray.errors import DataError
from pada_ray.randomness import generator_for
from pada_ray.records import Message, Sample, Split

Fields = list[tuple[str, dict[str, Any]]]
"""(place, fields of a sample): what `samples.read_lines` takes."""

_ROLES = get_args(Message.model_fields["role"].annotation)
_MOST_LABELS = 0.2  # answers are labels if there are at most so many different ones, as a share of the questions


def is_ours(path: str, columns: Columns | None) -> bool:
    """Whether a file is in the project's own layout, as far as its first line tells. One that cannot be read is taken
    for ours, whose reader says why."""
    if columns is not None or not path.endswith((".jsonl", ".json")):
        return False
    if what_instead(path) is not None:  # to open it might take for ever
        return path.endswith(".jsonl")
    try:
        with fsspec.open(path, "rt", encoding="utf-8-sig") as file:
            first = json.loads(next(line for line in file if line.strip()))
        return first.keys() <= Sample.model_fields.keys() and {"id", "messages"} <= first.keys() and _is_plain(first)
    except Exception:
        return path.endswith(".jsonl")


def _is_plain(row: Row) -> bool:
    return all(turn.keys() == Message.model_fields.keys() and turn["role"] in _ROLES for turn in row["messages"])


def read_fields(path: str, columns: Columns | None) -> Fields:
    """The fields of the file's samples.

    Args:
        columns: None takes the layout of the rows, or columns whose names leave no doubt.

    Raises DataError for a file or a row that cannot be read; where the columns are in doubt, with a line of the config
    that would do.
    """
    rows = read_rows(path)
    layout = None if columns else layout_of([row for _, row in rows])
    if layout is None:
        columns = _checked(path, rows, columns)
    stem, used = PurePosixPath(path).stem, set[str]()
    found: Fields = []
    for number, (where, row) in enumerate(rows, start=1):
        try:
            fields = fields_of(row, columns, layout)
        except ValueError as e:
            raise DataError(f"{where}: {e}") from None
        found.append((where, {"id": unused_id(row, f"{stem}-{number}", used), **fields}))
    return found


def unused_id(row: Row, made: str, used: set[str]) -> str:
    """An id that is not in `used`, and then is: the row's own, or else `made`, or else that with a number behind it."""
    names = chain([str(row.get("id") or made), made], (f"{made}-{i}" for i in count(2)))
    name = next(name for name in names if name not in used)
    used.add(name)
    return name


def _checked(path: str, rows: Rows, columns: Columns | None) -> Columns:
    names = list(dict.fromkeys(name for _, row in rows for name in row))
    columns = columns or unmistakable(names)
    if columns is None:
        line = propose(path, rows).line()
        raise DataError(
            f"{path}: which of the columns {', '.join(names)} is the question, and which the answer? "
            f"It has none of the layouts {', '.join(LAYOUTS)}. Try: {line}"
        )
    for key, template in columns._asdict().items():
        for name in names_in(template):
            if name not in names:
                raise DataError(f"data.{key}: {path} has no column {name!r}; it has {', '.join(names)}")
    return columns


def cut(samples: Fields, shares: SplitShares, path: str) -> dict[Split, Fields]:
    """One file's samples in train, val and test: by shares of the questions, each answer that recurs in each part as
    often as in the whole. Samples with equal questions stay together.

    Raises DataError if a part would be empty.
    """
    groups = _by_question(samples)
    ordered = _spread(groups, shares.seed)
    sizes: dict[Split, int] = {"test": round(shares.test * len(ordered)), "val": round(shares.val * len(ordered))}
    parts: dict[Split, Fields] = {}
    for split, size in sizes.items():
        parts[split], ordered = [s for group in ordered[:size] for s in group], ordered[size:]
    parts["train"] = [s for group in ordered for s in group]
    order: tuple[Split, ...] = ("train", "val", "test")
    empty = [split for split in order if not parts[split] and (split != "test" or shares.test)]
    if empty:
        raise DataError(f"{path}: too few questions ({len(groups)}) for data.split: {empty[0]} would be empty")
    return {split: parts[split] for split in order if parts[split]}


def proposed_task(path: str, parts: dict[Split, Fields]) -> str | None:
    """The task of a file whose config names none; None where each row names its own.

    Raises DataError, with a line of the config that would do, where the answers leave it in doubt.
    """
    samples = [fields for members in parts.values() for _, fields in members]
    if all("task" in fields for fields in samples):
        return None
    task, sure, why = task_of([(f["messages"][-2]["content"], f["messages"][-1]["content"]) for f in samples])
    if not sure:
        raise DataError(f"{path}: data.task is missing, and {why}; try `task: {task}`, or another one of docs/tasks.md")
    return task


def _by_question(samples: Fields) -> list[Fields]:
    groups: dict[str, Fields] = {}
    for where, fields in samples:
        messages = [Message.model_validate(message) for message in fields["messages"]]
        key = question_key(Sample(id="", messages=messages, task="", answer=""))
        groups.setdefault(key, []).append((where, fields))
    return list(groups.values())


def _spread(groups: Sequence[Fields], seed: int) -> list[Fields]:
    """The groups in random order, those of an answer at equal distances, so that any stretch has its share of each.
    Where answers are no labels, all that occur once count as one."""
    draw = generator_for(seed, "split")
    times = Counter(map(_answer, groups))
    labels = len(times) <= max(2, _MOST_LABELS * len(groups))
    strata: dict[str | None, list[Fields]] = {}
    for group in draw.sample(groups, len(groups)):
        answer = _answer(group)
        strata.setdefault(answer if labels or times[answer] > 1 else None, []).append(group)
    places: list[tuple[float, Fields]] = []
    for stratum in strata.values():
        start = draw.random()  # a label that is rarer than a part has questions falls into any of them
        places += [((start + i) / len(stratum), group) for i, group in enumerate(stratum)]
    return [group for _, group in sorted(places, key=lambda place: place[0])]


def _answer(group: Fields) -> str:
    reply: str = group[0][1]["messages"][-1]["content"]
    return reply

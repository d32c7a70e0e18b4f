"""A guess at what a table is: its columns of question and answer, its task, its splits."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import yaml

from pada_ray.data.columns import ANSWERS, QUESTIONS, Columns, fields_of, layout_of, unmistakable
from pada_ray.data.layouts import Row
from pada_ray.data.tables import Rows

_LOOKED_AT = 2000  # rows
_FEW = 0.2  # labels are at most so many different answers, as a share of the rows
_MOST_LABELS = 200
_SHORT = 60  # characters of an answer that can be compared as a text
_NUMBER = re.compile(r"[-−+]?[$€£]?\d[\d.,]*%?")
_WORKED = re.compile(r"(?:####|answer:?)\s*[-−+$€£]*\d[\d.,]*\W*$", re.IGNORECASE)
_OPTIONS = re.compile(r"^[^\S\n]*\(?A[).:]\s.*^[^\S\n]*\(?B[).:]\s", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"```|^[^\S\n]*def \w+\(", re.MULTILINE)


class Proposal(NamedTuple):
    """What a config may say of a file."""

    path: str
    layout: str | None  # a common layout, which needs no columns
    columns: Columns | None
    sure_columns: bool
    """Whether their names leave no doubt."""
    task: str
    sure: bool
    """Whether answers of this kind are checked in only one way."""
    why: str
    rows: int
    answers: list[str]  # the different ones, sorted

    def data(self) -> dict[str, Any]:
        """The section `data` of the config, but for the split."""
        columns = self.columns._asdict() if self.columns and self.layout is None else {}
        return {"file": self.path, **columns, "task": self.task}

    def line(self) -> str:
        """The same as one line of YAML."""
        return f"data: {{{', '.join(f'{key}: {scalar(value)}' for key, value in self.data().items())}}}"


def propose(path: str, rows: Rows, columns: Columns | None = None) -> Proposal:
    """A guess from the names and the content of the columns, and from up to 2000 rows. `columns` are known already."""
    table = [row for _, row in rows[:_LOOKED_AT]]
    layout = None if columns else layout_of(table)
    names = list(dict.fromkeys(name for row in table for name in row))
    known = columns or (None if layout else unmistakable(names))
    columns = known or (None if layout else _likely(names, table))
    pairs = list(filter(None, (_pair(row, columns, layout) for row in table)))
    named = {str(row["task"]) for row in table if row.get("task")} if layout == "messages" else set()
    task, sure, why = (named.pop(), True, "its rows name it") if len(named) == 1 else task_of(pairs)
    answers = sorted({answer for _, answer in pairs})
    return Proposal(path, layout, columns, known is not None, task, sure, why, len(rows), answers)


def task_of(pairs: Sequence[tuple[str, str]]) -> tuple[str, bool, str]:
    """The task of (question, answer) pairs, whether it is sure, and why."""
    answers = [answer.strip() for _, answer in pairs]
    distinct = set(answers)
    if not answers:
        return "judged", False, "no row could be read"
    if all(len(a) == 1 and a.upper() in "ABCDEFGH" for a in distinct) and _most(_OPTIONS.search(q) for q, _ in pairs):
        return "multiple_choice", True, "questions list lettered options, and answers are letters"
    if _most(_is_json(answer) for answer in answers):
        return "json", True, "answers are JSON"
    if _most(_NUMBER.fullmatch(a) or _WORKED.search(a) for a in answers) and len(distinct) > 10:
        return "math", True, "answers are numbers, or end in one"
    if len(distinct) <= min(_MOST_LABELS, max(2, _FEW * len(answers))) and max(map(len, distinct)) <= _SHORT:
        return "label", True, f"{len(distinct)} different answers in {len(answers)} rows"
    if _most(_within(question, answer) for question, answer in pairs):
        return "extractive_qa", False, "answers are words of their questions"
    if _most(len(answer) <= _SHORT for answer in answers):
        return "exact", False, "answers are short texts"
    if _most(_CODE.search(answer) for answer in answers):
        return "judged", False, "answers are programs without tests"
    return "judged", False, "answers are free texts, which a judge rates"


def _likely(names: Sequence[str], table: Sequence[Row]) -> Columns:
    """The longest texts as question, the shortest of the others as answer; known names before others."""
    texts = {name: [str(row[name]) for row in table if row.get(name) not in (None, "")] for name in names}
    useful = [name for name, values in texts.items() if values and not _is_counter(name, values)] or list(names)
    size = {name: sum(map(len, texts[name])) / max(1, len(texts[name])) for name in useful}
    question = max(useful, key=lambda name: (name.lower() in QUESTIONS, size[name]))
    others = [name for name in useful if name != question] or [question]
    kinds = {name: len(set(texts[name])) for name in others}
    return Columns(question, min(others, key=lambda name: (name.lower() not in ANSWERS, kinds[name] < 2, kinds[name])))


def _is_counter(name: str, values: Sequence[str]) -> bool:
    """Whether a column only numbers or dates the rows."""
    return len(set(values)) == len(values) and all(re.fullmatch(r"[\d\-:./ T]+|[0-9a-f-]{32,36}", v) for v in values)


def _pair(row: Row, columns: Columns | None, layout: str | None) -> tuple[str, str] | None:
    try:
        messages = fields_of(row, columns, layout)["messages"]
    except ValueError:
        return None
    return messages[-2]["content"], messages[-1]["content"]


def _most(holds: Any) -> bool:
    found = [bool(one) for one in holds]
    return sum(found) >= 0.95 * len(found)


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except (ValueError, RecursionError):
        return False


def _within(question: str, answer: str) -> bool:
    return len(question) > 4 * len(answer) and answer.lower() in question.lower()


def scalar(value: str) -> str:
    """A text as YAML takes it within braces."""
    if re.fullmatch(r"[A-Za-z_./][\w./ -]*", value) and yaml.safe_load(f"[{value}]") == [value]:
        return value
    quoted: str = yaml.safe_dump(value, default_style='"', allow_unicode=True, width=sys.maxsize)
    return quoted.strip()

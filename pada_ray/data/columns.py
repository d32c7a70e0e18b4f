"""Which columns of a table are the question and the answer, and what becomes of a row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from pada_ray.data.layouts import LAYOUTS, Row, as_json, messages_of

QUESTIONS = {
    "question", "query", "text", "ticket", "message", "input", "utterance", "sentence", "request", "problem", "review",
    "comment", "email", "post", "prompt",
}  # fmt: skip
ANSWERS = {
    "answer", "label", "output", "response", "reply", "intent", "category", "class", "target", "completion", "topic",
    "sentiment", "solution",
}  # fmt: skip
_FIELD = re.compile(r"\{([^{}]+)\}")


class Columns(NamedTuple):
    """The columns of question and answer. Each is a column's name, or a text with names in braces: `{a} and {b}`."""

    question: str
    answer: str


def unmistakable(names: Sequence[str]) -> Columns | None:
    """The columns that can only be question and answer: one name of each kind. None where that cannot be told."""
    questions, answers = ([n for n in names if n.strip().lower() in kind] for kind in (QUESTIONS, ANSWERS))
    return Columns(questions[0], answers[0]) if len(questions) == len(answers) == 1 else None


def layout_of(rows: Sequence[Row], least: float = 0.5) -> str | None:
    """The common layout that most rows have, by name; None unless more than the share `least` of them has it."""
    fitting = Counter(name for row in rows for name, layout in LAYOUTS.items() if layout.fits(row))
    name, number = fitting.most_common(1)[0] if fitting else ("", 0)
    return name if number > least * len(rows) else None


def fields_of(row: Row, columns: Columns | None, layout: str | None) -> dict[str, Any]:
    """The fields of a sample without an id: `messages`, and of the layout `messages` the others that it names.

    Raises ValueError, which says what is wrong with the row.
    """
    if columns is not None:
        turns = [("user", _filled(columns.question, row)), ("assistant", _filled(columns.answer, row))]
        return {"messages": [{"role": role, "content": content} for role, content in turns]}
    assert layout is not None
    kept = {key: row[key] for key in ("task", "answer", "meta") if layout == "messages" and row.get(key) is not None}
    return {"messages": [message.model_dump() for message in messages_of(row, layout)], **kept}


def names_in(template: str) -> list[str]:
    """The columns that a question or an answer is made of."""
    return _FIELD.findall(template) or [template]


def _filled(template: str, row: Row) -> str:
    if not _FIELD.search(template):
        return _text(template, row)
    return _FIELD.sub(lambda found: _text(found[1], row), template).strip()


def _text(name: str, row: Row) -> str:
    value = row.get(name)
    missing = value is None or value != value  # NaN is how Parquet's writers leave a number out
    text = value if isinstance(value, str) else "" if missing else as_json(value, f"`{name}`")
    if not text.strip():
        raise ValueError(f"`{name}` is empty; fill it, or leave the row out")
    return text.strip()

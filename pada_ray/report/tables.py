"""A table as data, and its forms: CSV, Markdown, LaTeX, the texts of the page's cells, and the terminal's columns."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from pada_ray.printable import visible

Value = str | int | float | tuple[float, float | None] | None
Kind = Literal["text", "count", "number", "signed", "p", "bound", "interval", "spread"]
"""`interval` is (low, high), `spread` (mean, deviation); the deviation may be None. `bound` is a level for p."""


class Column(NamedTuple):
    title: str
    kind: Kind = "text"
    digits: int = 1  # decimals, for numbers that have any
    under: bool = False  # the page and the terminal show it below the column before it
    once: bool = False  # the terminal shows it in the title of a group whose rows all have the same value
    page_only: bool = False  # the terminal leaves it out
    gathered: str = ""  # the terminal shows neighbouring counts of the same name as one column of this title


class Table(NamedTuple):
    name: str
    """The name of its files."""
    title: str
    columns: list[Column]
    rows: list[list[Value]]
    notes: list[str]
    bold: frozenset[tuple[int, int]] = frozenset()
    """Cells (row, column) with a statistically significant result."""
    grouped: bool = False
    """Whether rows with the same first value form a group; such rows are next to each other."""
    has_total: bool = False
    """Whether the last row is the total of the others."""


def without_empty_columns(table: Table) -> Table:
    """The table without the columns in which every cell is empty."""
    kept = [j for j in range(len(table.columns)) if any(row[j] not in (None, "") for row in table.rows)]
    return table._replace(
        columns=[table.columns[j] for j in kept],
        rows=[[row[j] for j in kept] for row in table.rows],
        bold=frozenset((i, kept.index(j)) for i, j in table.bold if j in kept),
    )


def for_terminal(table: Table) -> Table:
    """The table with the columns that the terminal shows."""
    parts: list[list[int]] = []  # the columns that make up each new one
    for j, column in enumerate(table.columns):
        if column.gathered and parts and table.columns[parts[-1][0]].gathered == column.gathered:
            parts[-1].append(j)
        elif not column.page_only:
            parts.append([j])

    def value(row: list[Value], part: list[int]) -> Value:
        if not table.columns[part[0]].gathered:
            return row[part[0]]
        return ", ".join(f"{row[j]} {table.columns[j].title}" for j in part if row[j]) or "none"

    first = [table.columns[part[0]] for part in parts]
    return table._replace(
        columns=[Column(column.gathered) if column.gathered else column for column in first],
        rows=[[value(row, part) for part in parts] for row in table.rows],
        bold=frozenset((i, parts.index([j])) for i, j in table.bold if [j] in parts),
    )


def groups_of_rows(table: Table) -> list[tuple[str, range]]:
    """Name and row numbers of each group, without the total row. A table without groups is one nameless group."""
    body = len(table.rows) - table.has_total
    if not table.grouped:
        return [("", range(body))]
    names = [str(row[0] or "") for row in table.rows[:body]]
    starts = [i for i in range(body) if i == 0 or names[i] != names[i - 1]]
    ends = [*starts[1:], body]
    return [(names[start], range(start, end)) for start, end in zip(starts, ends, strict=True)]


def to_csv(table: Table) -> str:
    """CSV at full precision. An interval and a spread take two columns each; a missing value is empty. A text that a
    spreadsheet would read as a formula gets an apostrophe before it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([title for column in table.columns for title in _csv_titles(column)])
    for row in table.rows:
        writer.writerow(
            [v for column, value in zip(table.columns, row, strict=True) for v in _csv_values(column, value)]
        )
    return out.getvalue()


def to_markdown(table: Table) -> str:
    rows = [[_markdown(column.title) for column in table.columns]]
    rows.append(["---" if column.kind == "text" else "---:" for column in table.columns])
    rows += texts(table, _markdown, "**{}**")
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    notes = [f"- {_markdown(note)}" for note in table.notes]
    return "\n".join([f"**{_markdown(table.title)}**", "", *lines, "", *notes]) + "\n"


def to_latex(table: Table) -> str:
    """LaTeX. It needs the package booktabs, and for texts with more than ASCII a Unicode engine."""
    wide = [i for i, column in enumerate(table.columns) if _is_long(table, i)]
    share = 0.75 / len(wide) if wide else 0
    columns = "".join(
        f"p{{{share:.2f}\\linewidth}}" if i in wide else "l" if column.kind == "text" else "r"
        for i, column in enumerate(table.columns)
    )
    head = " & ".join(_latex(column.title) for column in table.columns) + r" \\"
    body = []
    for i, row in enumerate(texts(table, _latex, r"\textbf{{{}}}")):
        if table.grouped and i:
            again = table.rows[i][0] == table.rows[i - 1][0]
            body += [] if again else [r"\addlinespace"]
            row = ["", *row[1:]] if again else row
        body.append(" & ".join(row) + r" \\")
    caption = " ".join([f"{table.title}.", *(f"{note}." for note in table.notes)])
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_latex(caption)}}}",
            rf"\label{{tab:{table.name}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def text_of(value: Value, column: Column) -> str:
    """The text of a cell for readers."""
    if value is None:
        return "–"
    if isinstance(value, tuple) and column.kind == "spread":
        mean, deviation = (text_of(part, column._replace(kind="number")) for part in value)
        return mean if value[1] is None else f"{mean} ± {deviation}"
    if isinstance(value, tuple):
        return f"[{', '.join(text_of(bound, column._replace(kind='number')) for bound in value)}]"
    if isinstance(value, str):
        return visible(value)
    if column.kind == "p":
        return "<0.001" if value < 0.001 else f"{value:.3f}"
    if column.kind == "bound":
        return f"{value:.2g}"
    if column.kind == "signed":
        return _number(value, f"+.{column.digits}f")
    return _number(value, ",d" if isinstance(value, int) else f",.{column.digits}f")


def _number(value: float, form: str) -> str:
    return format(value, form).replace("-", "−")


def texts(table: Table, escape: Callable[[str], str], strong: str) -> list[list[str]]:
    """The texts of the cells, row by row, escaped. `strong` is the format of a bold cell."""
    rows = []
    for i, row in enumerate(table.rows):
        cells = [escape(text_of(value, column)) for column, value in zip(table.columns, row, strict=True)]
        rows.append([strong.format(text) if (i, j) in table.bold else text for j, text in enumerate(cells)])
    return rows


def _is_long(table: Table, column: int) -> bool:
    return any(isinstance(row[column], str) and len(str(row[column])) > 40 for row in table.rows)


def _csv_titles(column: Column) -> list[str]:
    if column.kind == "interval":
        return [f"{column.title}, low", f"{column.title}, high"]
    return [column.title, f"{column.title}, deviation"] if column.kind == "spread" else [column.title]


def _csv_values(column: Column, value: Value) -> list[Value]:
    if column.kind in ("interval", "spread"):
        return list(value) if isinstance(value, tuple) else [None, None]
    if isinstance(value, str):
        return [visible(f"'{value}" if value.startswith(_FORMULA) else value)]
    return [value]


def _markdown(text: str) -> str:
    escaped = re.sub(r"([\\`*_\[\]|<>#~])", r"\\\1", text)
    return "<br>".join(escaped.splitlines())


_FORMULA = ("=", "+", "-", "@", "\t", "\r")

_LATEX = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": "$-$",
    "–": "--",
    "±": r"$\pm$",
    "[": "{[}",  # at the start of a row, the \\ before it would take it, or a star, as an argument
    "*": "{*}",
    "\n": " ",
}


def _latex(text: str) -> str:
    return re.sub(r"[\\^~<>−–±\[*\n&%$#_{}]", lambda found: _LATEX.get(found[0], "\\" + found[0]), text)

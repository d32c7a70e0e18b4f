import csv
import io

import pytest

from pada_ray.report.tables import (
    Column,
    Table,
    for_terminal,
    groups_of_rows,
    text_of,
    to_csv,
    to_latex,
    to_markdown,
    without_empty_columns,
)

COLUMNS = [
    Column("setting"),
    Column("method"),
    Column("accuracy, %", "number"),
    Column("95%", "interval"),
    Column("gain", "signed"),
    Column("mean", "spread"),
]
ROWS = [
    ["regime 300", "pada", 51.25, (49.04, 53.6), -1.25, (1.0, 0.5)],
    ["regime 300", "a_b & [c] | <d>", None, None, 2.0, (2.0, None)],
    ["", "=1+1", 1234.5, (-1.0, 1.0), None, None],
]
TABLE = Table("t", "A title", COLUMNS, ROWS, ["50% of it"], bold=frozenset({(0, 2)}), grouped=True)


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        (None, Column("x"), "–"),
        ("as it is", Column("x"), "as it is"),
        (12345, Column("x", "count"), "12,345"),
        (-0.25, Column("x", "number", 2), "−0.25"),
        (0.25, Column("x", "signed"), "+0.2"),
        (0.0004, Column("x", "p"), "<0.001"),
        (0.0304, Column("x", "p"), "0.030"),
        ((-1.0, 2.0), Column("x", "interval"), "[−1.0, 2.0]"),
        ((51.2, 1.25), Column("x", "spread"), "51.2 ± 1.2"),
        ((51.2, None), Column("x", "spread"), "51.2"),
    ],
)
def test_what_a_person_reads(value, column, text):
    assert text_of(value, column) == text


def test_csv_keeps_precision_and_takes_intervals_apart():
    header, first, second, third = csv.reader(io.StringIO(to_csv(TABLE)))
    assert header[2:] == ["accuracy, %", "95%, low", "95%, high", "gain", "mean", "mean, deviation"]
    assert first == ["regime 300", "pada", "51.25", "49.04", "53.6", "-1.25", "1.0", "0.5"]
    assert second[2:6] == ["", "", "", "2.0"]
    assert third[1] == "'=1+1"  # no formula


def test_markdown_escapes_and_marks():
    text = to_markdown(TABLE)
    assert "| **51.2** |" in text
    assert r"a\_b & \[c\] \| \<d\>" in text
    assert text.splitlines()[3] == "| --- | --- | ---: | ---: | ---: | ---: |"
    assert "- 50% of it" in text


def test_latex_escapes_marks_and_names_a_group_once():
    text = to_latex(TABLE)
    assert r"\textbf{51.2}" in text
    assert r"a\_b \& {[}c] | \textless{}d\textgreater{}" in text
    assert r"{[}$-$1.0, 1.0]" in text
    assert "1.0 $\\pm$ 0.5" in text
    assert text.count("regime 300") == 1
    assert text.count(r"\addlinespace") == 1
    assert r"\caption{A title. 50\% of it.}" in text
    assert r"\begin{tabular}{llrrrr}" in text


def test_nothing_in_a_cell_belongs_to_the_line_break_before_it():
    table = Table("t", "T", [Column("a")], [["**Units**"], ["[c]"]], [])
    assert "{*}{*}Units{*}{*} \\\\\n{[}c]" in to_latex(table)


def test_long_texts_get_columns_that_wrap():
    table = Table("t", "T", [Column("a"), Column("b")], [["x" * 50, 1]], [])
    assert r"{p{0.75\linewidth}l}" in to_latex(table)


def test_a_column_of_which_nothing_is_known_is_left_out():
    rows = [["", 1, None, "a"], ["", 2, None, "b"]]
    columns = [Column(name) for name in "abcd"]
    table = without_empty_columns(Table("t", "T", columns, rows, [], bold=frozenset({(1, 3)})))
    assert [column.title for column in table.columns] == ["b", "d"]
    assert table.rows == [[1, "a"], [2, "b"]]
    assert table.bold == {(1, 1)}


def test_the_terminal_gathers_counts_and_leaves_out_what_is_for_the_page():
    columns = [
        Column("group"),
        Column("gap", "signed", page_only=True),
        Column("wrong", "count", gathered="rejected"),
        Column("leak", "count", gathered="rejected"),
        Column("calls", "count"),
    ]
    rows = [["a", 1.5, 2, 1, 7], ["b", 2.5, 0, 0, 8]]
    table = for_terminal(Table("t", "T", columns, rows, [], bold=frozenset({(0, 1), (1, 2), (1, 4)})))
    assert [(column.title, column.kind) for column in table.columns] == [
        ("group", "text"),
        ("rejected", "text"),
        ("calls", "count"),
    ]
    assert table.rows == [["a", "2 wrong, 1 leak", 7], ["b", "none", 8]]
    assert table.bold == {(1, 2)}


def test_groups_of_rows():
    assert groups_of_rows(TABLE) == [("regime 300", range(0, 2)), ("", range(2, 3))]
    plain = TABLE._replace(grouped=False, has_total=True)
    assert groups_of_rows(plain) == [("", range(2))]

"""Data as people have it: kinds of files, layouts, columns, and one file cut into splits."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from pathlib import Path

import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest
from builders import small_config
from hypothesis import given, settings
from hypothesis import strategies as st

from pada_ray.config import SplitShares
from pada_ray.data.columns import Columns
from pada_ray.data.own_files import cut, is_ours, read_fields
from pada_ray.data.proposal import propose
from pada_ray.data.samples import question_key
from pada_ray.data.splits import read_data
from pada_ray.data.tables import read_rows
from pada_ray.errors import ConfigError, DataError

TEAMS = ("billing", "delivery", "returns")
TICKETS = [{"ticket": f"Ticket {i}: it's late, again\nand {i % 7}.", "label": TEAMS[i % 3]} for i in range(120)]


def config(**data):
    return small_config(data=data)


def write(path: Path, rows) -> str:
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    table = pyarrow.Table.from_pylist(rows) if kind in ("parquet", "feather", "arrow") else None
    if kind in ("csv", "tsv"):
        opener = gzip.open if path.name.endswith(".gz") else open
        with opener(path, "wt", newline="", encoding="utf-8-sig") as file:
            lines = csv.DictWriter(file, list(rows[0]), delimiter="\t" if kind == "tsv" else ",")
            lines.writeheader()
            lines.writerows(rows)
    elif kind == "json":
        path.write_text(json.dumps(rows))
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif kind == "parquet":
        pyarrow.parquet.write_table(table, path)
    elif kind == "feather":
        pyarrow.feather.write_feather(table, path)
    elif kind == "arrow":  # the stream format, as in a folder of `datasets`
        with pyarrow.ipc.new_stream(path, table.schema) as stream:
            stream.write_table(table)
    return str(path)


@pytest.mark.parametrize(
    "name", ["t.csv", "t.tsv", "t.csv.gz", "t.json", "t.jsonl", "t.parquet", "t.arrow", "t.feather", "T.CSV"]
)
def test_every_kind_of_file_gives_the_same_rows(tmp_path, name):
    path = tmp_path / name
    write(tmp_path / name.lower(), TICKETS)
    (tmp_path / name.lower()).rename(path)
    rows = read_rows(str(path))
    assert [row for _, row in rows] == TICKETS
    assert rows[2][0] in (f"{path}: row 3", f"{path}:3")


def test_a_folder_that_datasets_saved(tmp_path):
    datasets = pytest.importorskip("datasets", reason="the extra `datasets` is not installed")
    datasets.Dataset.from_list(TICKETS).save_to_disk(tmp_path / "saved")
    assert [row for _, row in read_rows(str(tmp_path / "saved"))] == TICKETS
    datasets.DatasetDict(train=datasets.Dataset.from_list(TICKETS)).save_to_disk(tmp_path / "several")
    with pytest.raises(DataError, match="holds several splits; name the folder of one"):
        read_rows(str(tmp_path / "several"))
    assert len(read_rows(str(tmp_path / "several" / "train"))) == 120


def test_cells_stay_texts_and_semicolons_separate(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('text;label\n"a, b";007\nnone;NA\n', encoding="utf-8")
    rows = [row for _, row in read_rows(str(path))]
    assert rows == [{"text": "a, b", "label": "007"}, {"text": "none", "label": "NA"}]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", b"a,b\n1,2,3\n1,2\n1,2,3,4\n", r"t\.csv: not readable as csv \(ParserError: .* line 4, saw 4"),
        ("t.csv", b"text,label\nhello, world,pos\nfine,neg\n", r"t\.csv: .* more cells than the header; .* quotes"),
        ("t.csv", b"a,b\n1,2,3\n1,2,3\n", r"t\.csv: .* more cells than the header; .* quotes"),
        ("t.csv", b"a;b\n1;2;3\n1;2;\n", r"t\.csv: .* more cells than the header; .* quotes"),
        ("t.tsv", b"a\tb\n1\t2\t3\n1\t2\n", r"t\.tsv: .* more cells than the header; .* quotes"),
        (
            "t.tsv",
            b'a\tb\n1\t2\n"x\t3\ny\t4\n"z\t5\nu\t6\n',
            r"t\.tsv: row 2: a quotation mark .* does not close it; put",
        ),
        ("t.tsv", b'a\tb\nx\t"3\ny\t4\nz\t"5\nu\t6\n', r"t\.tsv: row 1: a quotation mark .* does not close it; put"),
        ("t.csv", b'a,b\n"x,3\r\ny,4\r\n"z,5\r\n', r"t\.csv: row 1: a quotation mark .* does not close it; put"),
        ("t.csv", b'a;b\n"p; q\nr";1\n"x;3\n"z;5\n', r"t\.csv: row 2: a quotation mark .* does not close it; put"),
        ("t.csv", b"a,b\n\xff\xfe,1\n", r"t\.csv: not UTF-8"),
        ("t.csv", b"a,b\n", r"t\.csv: no rows in it"),
        ("t.jsonl", b'{"a": 1}\n[1]\n', r"t\.jsonl:2: not a JSON object"),
        ("t.jsonl", b'{"a": 1}\n\n{"a": \n', r"t\.jsonl:3: not JSON"),
        ("t.parquet", b"PAR1 no", r"t\.parquet: not readable as parquet"),
        ("t.xlsx", b"", r"t\.xlsx: no known kind of file; give a file of \.arrow, \.csv"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_rows(str(tmp_path / name))


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("separator", ["\t", ",", ";"])
def test_a_cell_may_hold_separators_lines_and_quotes(tmp_path, separator, line_end):
    text = f'"Go"{separator}{line_end}she "said{separator}{separator}"'
    rows = [{"text": text, "label": f"a{i}"} for i in range(3)] + [{"text": "x", "label": text}]
    path = tmp_path / ("t.tsv" if separator == "\t" else "t.csv")
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.DictWriter(file, ["text", "label"], delimiter=separator, lineterminator=line_end)
        lines.writeheader()
        lines.writerows(rows)
    assert [row for _, row in read_rows(str(path))] == rows


def test_separators_at_the_end_of_each_row_hold_nothing(tmp_path):
    (tmp_path / "t.csv").write_text("text,label\nhello,pos,\nfine,neg,\n")
    assert [row for _, row in read_rows(str(tmp_path / "t.csv"))][1] == {"text": "fine", "label": "neg"}


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"gone\.csv: no such file"):
        read_rows(str(tmp_path / "gone.csv"))


def test_a_csv_of_tickets_is_a_run(tmp_path):
    file = write(tmp_path / "tickets.csv", TICKETS)
    samples = read_data(config(file=file, question="ticket", answer="label", task="label", split={"val": 0.2}))
    assert {split: len(members) for split, members in samples.items()} == {"train": 78, "val": 24, "test": 18}
    for members in samples.values():
        counts = Counter(sample.answer for sample in members)
        assert max(counts.values()) - min(counts.values()) <= 1  # as in the whole
    first = samples["train"][0]
    assert first.messages[0].content.startswith("Ticket ")
    assert (first.reference, first.task) == (first.answer, "label")
    assert len({sample.id for members in samples.values() for sample in members}) == 120


def test_it_simply_works_where_columns_and_task_leave_no_doubt(tmp_path):
    file = write(tmp_path / "tickets.csv", TICKETS)
    named = read_data(config(file=file, question="ticket", answer="label", task="label"))
    assert read_data(config(file=file)) == named


def test_a_cut_is_the_same_for_every_seed_of_a_run_and_other_for_its_own(tmp_path):
    file = write(tmp_path / "tickets.csv", TICKETS)
    first = config(file=file)
    tests = [
        {s.id for s in read_data(c)["test"]}
        for c in (first, first.model_copy(update={"seed": 5}), config(file=file, split={"seed": 1}))
    ]
    assert tests[0] == tests[1] != tests[2]


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2)), min_size=12, max_size=80),
    st.floats(0.1, 0.4),
    st.floats(0, 0.4),
    st.integers(0, 3),
)
def test_no_question_is_on_two_sides_and_nothing_is_lost(items, val, test, seed):
    rows = [
        (str(i), {"messages": [{"role": "user", "content": f"q{q}"}, {"role": "assistant", "content": str(a)}]})
        for i, (q, a) in enumerate(items)
    ]
    try:
        parts = cut(rows, SplitShares(val=val, test=test, seed=seed), "t")
    except DataError as e:
        assert "too few questions" in str(e)
        return
    assert sorted(where for members in parts.values() for where, _ in members) == sorted(where for where, _ in rows)
    sides = [{fields["messages"][0]["content"] for _, fields in members} for members in parts.values()]
    assert sum(map(len, sides)) == len(set.union(*sides))
    questions = len({q for q, _ in items})
    assert len(sides[1]) == round(val * questions)


@pytest.mark.parametrize(
    "answers",
    [
        ["not found"] * 120 + [f"span {i}" for i in range(180)],
        ["not found"] * 90 + ["see above"] * 30 + [f"span {i}" for i in range(180)],
        [f"label_{i % 77}" for i in range(300)],
        [f"label_{i % 77}" for i in range(290)] + [f"rare_{i}" for i in range(10)],
        [TEAMS[i % 3] for i in range(300)],
    ],
)
@pytest.mark.parametrize("seed", range(8))
def test_each_part_has_its_share_of_every_answer_that_recurs(answers, seed):
    rows = [
        (str(i), {"messages": [{"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": answer}]})
        for i, answer in enumerate(answers)
    ]
    whole = Counter(answers)
    for members in cut(rows, SplitShares(val=0.15, test=0.15, seed=seed), "t").values():
        counts = Counter(fields["messages"][-1]["content"] for _, fields in members)
        due = {answer: times * len(members) / len(rows) for answer, times in whole.items() if times > 1}
        assert {answer: counts[answer] for answer in due if abs(counts[answer] - due[answer]) > 1} == {}


def test_questions_of_which_each_has_another_answer_are_cut_as_before():
    rows = [
        (str(i), {"messages": [{"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": f"a{i}"}]})
        for i in range(12)
    ]
    parts = cut(rows, SplitShares(val=0.25, test=0.25), "t")
    assert {split: [where for where, _ in members] for split, members in parts.items()} == {
        "train": ["7", "1", "11", "8", "3", "9"],
        "val": ["6", "10", "5"],
        "test": ["2", "0", "4"],
    }


def test_a_column_may_be_put_into_words(tmp_path):
    rows = [{"subject": f"No. {i}", "body": f"text {i}", "team": TEAMS[i % 3]} for i in range(60)]
    file = write(tmp_path / "t.csv", rows)
    samples = read_data(config(file=file, question="Which team?\n{subject}: {body}", answer="team", task="label"))
    assert all(s.question.startswith("Which team?\nNo. ") for s in samples["val"])


def test_columns_in_doubt_are_refused_with_a_line_that_works(tmp_path):
    rows = [{"id": i, "subject": f"No. {i}", "body": f"long text {i} " * 3, "team": TEAMS[i % 3]} for i in range(60)]
    file = write(tmp_path / "t.csv", rows)
    with pytest.raises(DataError) as told:
        read_data(config(file=file))
    line = str(told.value).partition("Try: ")[2]
    assert line == f"data: {{file: {file}, question: body, answer: team, task: label}}"
    import yaml

    assert len(read_data(config(**yaml.safe_load(line)["data"]))["train"]) == 42


def test_a_task_in_doubt_is_asked_for(tmp_path):
    rows = [{"question": f"Who wrote book {i}?", "answer": f"Author {i}"} for i in range(40)]
    with pytest.raises(DataError, match=r"data\.task is missing, and answers are short texts; try `task: exact`"):
        read_data(config(file=write(tmp_path / "t.csv", rows)))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            {"question": "tickets", "answer": "label"},
            r"data\.question: .*t\.csv has no column .tickets.; it has",
        ),
        ({"question": "ticket", "answer": "{team}"}, r"data\.answer: .* has no column 'team'"),
    ],
)
def test_a_column_that_is_not_there(tmp_path, data, said):
    with pytest.raises(DataError, match=said):
        read_data(config(file=write(tmp_path / "t.csv", TICKETS), task="label", **data))


def test_an_empty_cell_is_told_with_its_row(tmp_path):
    file = write(tmp_path / "t.csv", [*TICKETS[:4], {"ticket": "x", "label": " "}])
    with pytest.raises(DataError, match=r"t\.csv: row 5: `label` is empty; fill it, or leave the row out"):
        read_fields(file, Columns("ticket", "label"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"file": "a", "train": "b", "val": "c"}, "give only one of"),
        ({"file": "a", "question": "b"}, "`question` and `answer` go together"),
        ({"demo": {}, "question": "a", "answer": "b"}, "name columns of `file`"),
        ({"train": "a", "val": "b", "split": {}}, "`split` cuts the one `file`"),
        ({"file": "a", "split": {"val": 0.5, "test": 0.5}}, "leave nothing to train on"),
    ],
)
def test_keys_that_do_not_go_together(data, said):
    with pytest.raises(ConfigError, match=said):
        config(**data)


def chat(i, **more):
    turns = [{"role": "user", "content": f"What is {i} + 1?"}, {"role": "assistant", "content": f"Answer: {i + 1}"}]
    return {"messages": turns} | more


LAYOUTS = {
    "alpaca": lambda i: {"instruction": "Add one.", "input": f"{i}", "output": f"Answer: {i + 1}"},
    "sharegpt": lambda i: {
        "conversations": [{"from": "human", "value": f"What is {i} + 1?"}, {"from": "gpt", "value": f"Answer: {i + 1}"}]
    },
    "openai": chat,
    "several turns": lambda i: {
        "messages": [
            {"role": "developer", "content": "Add."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hello!"},
            {"role": "user", "content": f"What is {i} + 1?"},
            {"role": "assistant", "content": f"Answer: {i + 1}"},
        ]
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["json", "jsonl", "parquet"])
def test_a_known_layout_needs_no_columns(tmp_path, layout, kind):
    file = write(tmp_path / f"t.{kind}", [LAYOUTS[layout](i) for i in range(40)])
    samples = read_data(config(file=file, task="math"))
    assert {split: len(members) for split, members in samples.items()} == {"train": 28, "val": 6, "test": 6}
    assert {s.answer for members in samples.values() for s in members} == {str(i + 1) for i in range(40)}


def test_train_and_val_may_be_files_of_these_kinds(tmp_path):
    train = write(tmp_path / "train.csv", TICKETS[:60])
    val = write(tmp_path / "val.parquet", TICKETS[60:])
    samples = read_data(config(train=train, val=val, question="ticket", answer="label", task="label"))
    assert {split: len(members) for split, members in samples.items()} == {"train": 60, "val": 60}
    with pytest.raises(DataError, match=r"val\.parquet: row 1: the same question is at .*train\.csv: row 60"):
        again = write(tmp_path / "val.parquet", TICKETS[59:])
        read_data(config(train=train, val=again, question="ticket", answer="label", task="label"))


CALL = {"function": {"name": "weather", "arguments": '{"city": "Paris"}'}, "id": "1", "type": "function"}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]


def test_calls_of_tools_are_json_and_tools_are_told(tmp_path):
    ask = {"role": "user", "content": [{"type": "text", "text": "Weather in Paris?"}]}
    call = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    rows = [
        {"messages": [ask, call], "tools": TOOLS},
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                ask,
                call,
                {"role": "tool", "tool_call_id": "1", "content": '{"degrees": 9}'},
                {"role": "assistant", "content": "Nine degrees."},
            ],
            "tools": TOOLS,
        },
    ]
    file = tmp_path / "t.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    first, second = [
        [(m["role"], m["content"]) for m in fields["messages"]] for _, fields in read_fields(str(file), None)
    ]
    said = '{"name": "weather", "arguments": {"city": "Paris"}}'
    assert first[0] == ("system", f"Tools, as JSON:\n{json.dumps(TOOLS)}")
    assert first[1:] == [("user", "Weather in Paris?"), ("assistant", said)]
    assert second[0] == ("system", f"Be brief.\n\nTools, as JSON:\n{json.dumps(TOOLS)}")
    assert second[2:] == [("assistant", said), ("user", '{"degrees": 9}'), ("assistant", "Nine degrees.")]


def test_our_own_layout_is_read_line_by_line(tmp_path):
    ours = write(tmp_path / "a.jsonl", [chat(1, id="1", task="math")])
    assert is_ours(ours, None)
    assert not is_ours(write(tmp_path / "b.jsonl", [chat(1)]), None)  # OpenAI's, without ids
    assert not is_ours(write(tmp_path / "c.jsonl", [chat(1, id="1", tools=[])]), None)
    (tmp_path / "d.jsonl").write_text("no JSON\n")
    assert is_ours(str(tmp_path / "d.jsonl"), None)


def test_ids_are_kept_where_they_are_unique(tmp_path):
    rows = [TICKETS[0] | {"id": "a"}, TICKETS[1] | {"id": "a"}, TICKETS[2]]
    file = tmp_path / "t.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [fields["id"] for _, fields in read_fields(str(file), None)] == ["a", "t-2", "t-3"]


@pytest.mark.parametrize(
    ("question", "answer", "task", "sure"),
    [
        (lambda i: f"ticket {i}", lambda i: TEAMS[i % 3], "label", True),
        (lambda i: f"{i} + 1?", lambda i: f"{i} + 1 = {i + 1}\n#### {i + 1}", "math", True),
        (lambda i: f"{i} + 1?", lambda i: str(i + 1), "math", True),
        (lambda i: f"call {i}", lambda i: f'{{"name": "f", "arguments": {{"x": {i}}}}}', "json", True),
        (lambda i: f"Pick {i}.\nA. one\nB. two", lambda i: "AB"[i % 2], "multiple_choice", True),
        (lambda i: f"A long passage names Town{i}x, which is far.", lambda i: f"Town{i}x", "extractive_qa", False),
        (lambda i: f"Who wrote {i}?", lambda i: f"Author {i}", "exact", False),
        (lambda i: f"Write to {i}.", lambda i: f"Dear customer {i}, we are sorry. " * 4, "judged", False),
    ],
)  # fmt: skip
def test_a_task_is_told_by_its_answers(question, answer, task, sure):
    rows = [(str(i), {"question": question(i), "answer": answer(i)}) for i in range(100)]
    found = propose("t.csv", rows)
    assert (found.task, found.sure, found.columns) == (task, sure, Columns("question", "answer"))


def test_question_keys_decide_what_is_the_same(tmp_path):
    rows = [{"text": f"Where is order {i // 2}{'?' * (i % 2)}", "label": TEAMS[i % 3]} for i in range(60)]
    samples = read_data(config(file=write(tmp_path / "t.csv", rows), task="label"))
    keys = [{question_key(s) for s in members} for members in samples.values()]
    assert sum(map(len, keys)) == len(set.union(*keys)) == 30

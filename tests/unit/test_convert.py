"""Data in other layouts: what becomes of each row, what is said of the others, and the split."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import typer
from builders import room_for, sample, samples_in
from typer.testing import CliRunner

from jobs.command import command
from jobs.convert import _place, convert
from pada_ray.data.conversion import as_line, cut, read_converted
from pada_ray.data.samples import question_key
from pada_ray.data.splits import load_splits
from pada_ray.errors import ConfigError, DataError

ALPACA = {"instruction": "Add the numbers.", "input": "2 and 3", "output": "2 + 3 = 5. Answer: 5"}
SHAREGPT = {
    "id": "chat-1",
    "system": "Be brief.",
    "conversations": [
        {"from": "human", "value": "Hello"},
        {"from": "gpt", "value": "Hello!"},
        {"from": "human", "value": " What is 2 + 3? "},
        {"from": "gpt", "value": "2 + 3 = 5"},
    ],
}
PROMPT = {"prompt": "What is 2 + 3?", "completion": " 5\n"}
MESSAGES = {"messages": [{"role": "user", "content": "What is 2 + 3?"}, {"role": "assistant", "content": "#### 5"}]}


def written(tmp_path, *rows, name="in.jsonl"):
    file = tmp_path / name
    file.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return str(file)


def turns(sample):
    return [(m.role, m.content) for m in sample.messages]


@pytest.mark.parametrize(
    ("row", "layout", "expected"),
    [
        (ALPACA, "alpaca", [("user", "Add the numbers.\n\n2 and 3"), ("assistant", "2 + 3 = 5. Answer: 5")]),
        ({**ALPACA, "input": ""}, "alpaca", [("user", "Add the numbers."), ("assistant", "2 + 3 = 5. Answer: 5")]),
        (
            SHAREGPT,
            "sharegpt",
            [
                ("system", "Be brief."),
                ("user", "Hello"),
                ("assistant", "Hello!"),
                ("user", "What is 2 + 3?"),
                ("assistant", "2 + 3 = 5"),
            ],
        ),
        (PROMPT, "prompt_completion", [("user", "What is 2 + 3?"), ("assistant", "5")]),
        ({"prompt": "Hi", "response": "Hello"}, "prompt_completion", [("user", "Hi"), ("assistant", "Hello")]),
        (
            {"prompt": MESSAGES["messages"][:1], "completion": MESSAGES["messages"][1:]},
            "prompt_completion",
            [("user", "What is 2 + 3?"), ("assistant", "#### 5")],
        ),
        (MESSAGES, "messages", [("user", "What is 2 + 3?"), ("assistant", "#### 5")]),
    ],
)
def test_each_layout_is_recognised_and_converted(tmp_path, row, layout, expected):
    found = read_converted(written(tmp_path, row))
    assert (found.layout, found.dropped) == (layout, [])
    assert turns(found.converted[0].sample) == expected


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        ("    return 1\n", "    return 1"),
        ("\n\n    x = 1\n    return x\n\n", "    x = 1\n    return x"),
        ("\treturn 1", "\treturn 1"),
        (" Hello \n", "Hello"),
        ("\n \n- one\n- two", "- one\n- two"),
    ],
)
def test_the_indentation_of_code_is_kept(tmp_path, reply, kept):
    found = read_converted(written(tmp_path, {"prompt": "Write the body.", "completion": reply}))
    assert found.converted[0].sample.reference == kept


def test_an_array_and_parquet_are_read_as_well(tmp_path):
    import pyarrow
    import pyarrow.parquet

    array = tmp_path / "in.json"
    array.write_text(json.dumps([ALPACA, {**ALPACA, "output": ""}], indent=1))
    parquet = str(tmp_path / "in.parquet")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([SHAREGPT, PROMPT]), parquet)
    found = read_converted(str(array))
    assert [c.where for c in found.converted] == ["row 1"]
    assert [(d.where, d.why) for d in found.dropped] == [("row 2", "a message is empty")]
    found = read_converted(parquet, "sharegpt")
    assert [c.sample.id for c in found.converted] == ["chat-1"]
    assert [(d.where, d.why) for d in found.dropped] == [("row 2", "not in the layout sharegpt")]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("{", "not a JSON object"),
        ("[1]", "not a JSON object"),
        (PROMPT, "not in the layout messages"),
        ({"messages": MESSAGES["messages"][:1]}, "does not end in a user's question and the assistant's reply"),
        (
            {"messages": [*MESSAGES["messages"], {"role": "narrator", "content": "x"}]},
            "a message has the unknown role 'narrator'",
        ),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "a message is not text"),
        ({"messages": [{"role": "user", "content": " "}]}, "a message is empty"),
        ({**MESSAGES, "answer": "6"}, "the reply does not satisfy its own answer (task math)"),
        ({**MESSAGES, "answer": "six"}, "answer 'six' is not a number"),
        ({**MESSAGES, "answer": 5}, "`answer"),
        ({**MESSAGES, "task": "maths"}, "task 'maths' is unknown"),
        (
            {"messages": [*MESSAGES["messages"][:1], {"role": "assistant", "content": "Five or so."}]},
            "no answer can be read from the reply (task math)",
        ),
    ],
)
def test_what_is_no_sample_is_dropped_with_its_line_and_reason(tmp_path, bad, why):
    found = read_converted(written(tmp_path, MESSAGES, bad, "", MESSAGES), task="math")
    assert [c.where for c in found.converted] == ["line 1", "line 4"]
    assert [d.where for d in found.dropped] == ["line 2"]
    assert why in found.dropped[0].why
    assert "\n" not in found.dropped[0].why


CALL = {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}}


def beside(**keys):
    """A row whose reply has something beside its text."""
    question, reply = MESSAGES["messages"]
    return {"messages": [question, reply | keys]}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (beside(reasoning_content="2 and 3"), "a message has `reasoning_content`"),
        ({**SHAREGPT, "tools": json.dumps([CALL])}, "the row has `tools`, which would be lost"),
        ({**SHAREGPT, "images": ["a.png"]}, "the row has `images`"),
        ({**ALPACA, "input": ["2", "3"]}, "`instruction` or `input` is not text"),
        ({**ALPACA, "input": {"a": 2}}, "`instruction` or `input` is not text"),
        ({**ALPACA, "instruction": ["Add."]}, "`instruction` or `input` is not text"),
        ({**ALPACA, "history": "before"}, "`history` is not a list of questions with their replies"),
        ({**ALPACA, "history": [["Hi"]]}, "`history` is not a list of questions with their replies"),
        ({**ALPACA, "history": [["Hi", None]]}, "a message is not text"),
    ],
)
def test_what_no_message_can_hold_is_listed_as_dropped(tmp_path, row, why):
    layout = "sharegpt" if "conversations" in row else "alpaca" if "instruction" in row else "messages"
    good = {"sharegpt": SHAREGPT, "alpaca": ALPACA, "messages": MESSAGES}[layout]
    found = read_converted(written(tmp_path, good, row), layout)
    assert len(found.converted) == 1
    assert [(d.where, why in d.why) for d in found.dropped] == [("line 2", True)]


@pytest.mark.parametrize("nothing", [None, [], "", "[]", {}])
def test_an_empty_list_of_tools_is_none(tmp_path, nothing):
    assert read_converted(written(tmp_path, {**SHAREGPT, "tools": nothing}, {**MESSAGES, "tools": nothing})).converted


def test_the_history_of_an_alpaca_row_is_kept(tmp_path):
    row = {**ALPACA, "system": "Be brief.", "history": [["Hello", "Hi!"], ["Ready?", "Yes."]]}
    (converted,) = read_converted(written(tmp_path, row)).converted
    assert turns(converted.sample) == [
        ("system", "Be brief."),
        ("user", "Hello"),
        ("assistant", "Hi!"),
        ("user", "Ready?"),
        ("assistant", "Yes."),
        ("user", "Add the numbers.\n\n2 and 3"),
        ("assistant", "2 + 3 = 5. Answer: 5"),
    ]


def test_a_turn_that_is_no_object_is_told_and_not_passed_over(tmp_path):
    found = read_converted(written(tmp_path, SHAREGPT, {"conversations": ["Hello", *SHAREGPT["conversations"]]}))
    assert [(d.where, d.why) for d in found.dropped] == [("line 2", "a message is not text")]


def test_with_a_task_answers_are_read_and_without_one_they_are_left_out(tmp_path):
    file = written(tmp_path, ALPACA)
    assert json.loads(as_line(read_converted(file, task="math").converted[0].sample)) == {
        "id": "in-1",
        "messages": [
            {"role": "user", "content": "Add the numbers.\n\n2 and 3"},
            {"role": "assistant", "content": "2 + 3 = 5. Answer: 5"},
        ],
        "task": "math",
        "answer": "5",
    }
    assert set(json.loads(as_line(read_converted(file).converted[0].sample))) == {"id", "messages"}


def test_our_own_fields_are_kept_and_ids_made_unique(tmp_path):
    own = {**MESSAGES, "id": "a", "task": "math", "answer": "5.0", "meta": {"from": "me"}}
    found = read_converted(written(tmp_path, own, own), task="judged")
    assert [c.sample.id for c in found.converted] == ["a", "in-2"]
    assert (found.converted[0].sample.answer, found.converted[0].sample.meta) == ("5.0", {"from": "me"})


def test_an_id_made_for_a_row_is_none_that_another_row_has(tmp_path):
    path = written(tmp_path, {**ALPACA, "id": "in-2"}, ALPACA, {**ALPACA, "id": "in-2"}, {**ALPACA, "id": "in-3"})
    ids = [c.sample.id for c in read_converted(path).converted]
    assert ids[0] == "in-2"
    assert len(set(ids)) == 4


def asked(question, name):
    return sample("math", question, "#### 5", "5", name)


def test_a_question_is_in_one_split_only():
    samples = [asked(f"Question {i // 2}{'?' * (i % 2)}", str(i)) for i in range(40)]
    shares = {"train": 0.8, "val": 0.1, "test": 0.1}
    splits = cut(samples, shares, seed=0)
    assert {split: len(members) for split, members in splits.items()} == {"train": 32, "val": 4, "test": 4}
    keys = [{question_key(s) for s in members} for members in splits.values()]
    assert sum(map(len, keys)) == len(set().union(*keys)) == 20
    assert cut(samples, shares, seed=0) == splits != cut(samples, shares, seed=1)


def test_a_split_that_would_be_empty_is_an_error():
    with pytest.raises(DataError, match=r"too few questions \(3\), val would be empty"):
        cut([asked(f"Question {i}", str(i)) for i in range(3)], {"train": 0.8, "val": 0.1, "test": 0.1}, seed=0)


# --- the command


def pada_convert(*args):
    app = typer.Typer()
    app.command()(command(convert))
    done = CliRunner().invoke(app, [*map(str, args)])
    return done.exit_code, done.output


def test_the_command_says_what_it_did(tmp_path):
    file = written(tmp_path, *[{**ALPACA, "instruction": f"Add {i}."} for i in range(20)], "{", "{", {"a": 1})
    code, said = pada_convert(file, tmp_path / "data", "--task", "math", "--split", "0.8/0.1/0.1")
    assert code == 0, said
    lines = said.splitlines()
    assert lines[:2] == ["layout: alpaca", "rows in: 23"]
    assert lines[2] == (
        f"rows out: 16 in {tmp_path}/data/train.jsonl, 2 in {tmp_path}/data/val.jsonl, 2 in {tmp_path}/data/test.jsonl"
    )
    assert lines[3:6] == [
        "dropped: 3", "  not a JSON object: line 21, line 22", "  not in the layout alpaca: line 23",
    ]  # fmt: skip
    assert lines[6].startswith('before (line 1): {"instruction": "Add 0."')
    assert lines[7].startswith('after: {"id":"in-1","messages":[{"role":"user","content":"Add 0.')
    splits = load_splits(*(str(tmp_path / "data" / f"{split}.jsonl") for split in ("train", "val", "test")))
    assert {split: len(members) for split, members in splits.items()} == {"train": 16, "val": 2, "test": 2}


def test_splits_without_room_for_all_leave_none(tmp_path):
    file = written(tmp_path, *[{**ALPACA, "instruction": f"Add {i}."} for i in range(40)])
    command = (file, tmp_path / "data", "--split", "0.1/0.8/0.1")
    with room_for(2000):  # enough for train, too little for val
        code, said = pada_convert(*command)
    assert (code, said.count("\n"), "val.jsonl: File too large" in said) == (2, 1, True)
    assert list((tmp_path / "data").iterdir()) == []
    assert pada_convert(*command)[0] == 0
    assert (tmp_path / "data" / "train.jsonl").stat().st_size < 2000


def test_the_command_writes_one_file(tmp_path):
    out = tmp_path / "out.jsonl"
    code, said = pada_convert(written(tmp_path, SHAREGPT), out, "--task", "math")
    assert (code, f"rows out: 1 in {out}" in said) == (0, True)
    assert [s.id for s in samples_in(str(out))] == ["chat-1"]


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ([ALPACA], ["--layout", "csv"], "--layout csv: use one of auto, messages, "),
        ([ALPACA], ["--task", "maths"], "task 'maths' is unknown"),
        ([ALPACA], ["--split", "0.8/0.3"], "--split 0.8/0.3: write TRAIN/VAL/TEST"),
        ([ALPACA], ["--split", "0.8/0.1/0.2"], "shares that add up to 1"),
        ([ALPACA], ["--split", "1/0/0"], "shares that add up to 1"),
        ([ALPACA], ["--split", "0.8/0.1/0.1"], "too few questions (1)"),
        (
            [{"text": "x"}],
            [],
            "unknown layout, none of messages, sharegpt, alpaca, prompt_completion, text_label; the",
        ),
        ([], [], "unknown layout, none of"),
        ([{**ALPACA, "output": "x"}], ["--task", "math"], "no row can be converted; line 1: no answer can be read"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(tmp_path, rows, options, said):
    code, output = pada_convert(written(tmp_path, *rows), tmp_path / "out", *options)
    assert code == 2
    assert output.startswith("error: ") and said in output
    assert len(output.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there_or_no_parquet(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.json: no such file"):
        read_converted(str(tmp_path / "nowhere.json"))
    with pytest.raises(DataError, match=r"in\.parquet: cannot be read \(Arrow"):
        read_converted(written(tmp_path, "x", name="in.parquet"))


def test_nothing_is_overwritten(tmp_path):
    file = written(tmp_path, ALPACA)
    for args in ([file], [tmp_path, "--split", "0.8/0.1/0.1"]):
        (tmp_path / "val.jsonl").write_text("mine")
        code, output = pada_convert(file, *args)
        assert (code, "already exists" in output) == (2, True)
    assert (tmp_path / "val.jsonl").read_text() == "mine"


@pytest.mark.parametrize(
    ("file", "folder", "name"),
    [
        ("/out.jsonl", "/", "out.jsonl"),
        ("//train.jsonl", "/", "train.jsonl"),
        ("out.jsonl", os.getcwd(), "out.jsonl"),
        ("/a/b/out.jsonl", "/a/b", "out.jsonl"),
        ("memory://a/out.jsonl", "memory://a", "out.jsonl"),
    ],
)
def test_where_a_file_is_written(file, folder, name):
    place, written_as = _place(file)
    assert (place.url.rstrip("/") or "/", written_as) == (folder, name)


def test_a_file_in_the_root_folder_is_looked_for_there():
    root = next(path for path in sorted(Path("/").iterdir()) if path.is_dir())
    assert _place(f"/{root.name}")[0].exists(root.name)


def test_an_unknown_task_is_a_mistake_of_the_command_not_of_the_rows(tmp_path):
    with pytest.raises(ConfigError, match="task 'maths' is unknown"):
        read_converted(written(tmp_path, ALPACA), task="maths")


@pytest.mark.parametrize(
    ("row", "task", "answer", "told"),
    [
        ({"text": "Where is it?", "label": "arrival"}, "label", "arrival", "one of these 1 labels: arrival"),
        ({"text": "Hi", "label": 3, "label_text": "greeting"}, "label", "greeting", "one of these 1 labels: greeting"),
        (
            {"prompt": "Play Zoe", "completion": {"name": "play", "arguments": {"artist": "Zoe"}}},
            "json",
            '{"name": "play", "arguments": {"artist": "Zoe"}}',
            "play(artist?)",
        ),
        (PROMPT, "exact", "5", None),
    ],
)  # fmt: skip
def test_labels_json_and_exact_texts(tmp_path, row, task, answer, told):
    out = tmp_path / "out.jsonl"
    code, said = pada_convert(written(tmp_path, row), out, "--task", task)
    assert code == 0, said
    (sample,) = samples_in(str(out))
    assert (sample.answer, sample.task) == (answer, task)
    assert told is None or told in said


def test_a_row_that_is_no_json_is_dropped_with_the_reason(tmp_path):
    rows = [{"prompt": f"Make JSON {i}", "completion": text} for i, text in enumerate(['{"a": 1}', "{'a': 1}", "none"])]
    conversion = read_converted(written(tmp_path, *rows), task="json")
    assert len(conversion.converted) == 1
    assert [d.why.partition(" (")[0] for d in conversion.dropped] == [
        "The reply must be one JSON value: not well-formed JSON",
        "The reply must be one JSON value: no JSON.",
    ]

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fsspec
import pytest
from builders import samples_in

from pada_ray.data.samples import question_key
from pada_ray.data.splits import load_splits
from pada_ray.errors import DataError


def item(name: str, question: str = "", answer: str = "4", **changes: Any) -> dict[str, Any]:
    fields = {
        "id": name,
        "messages": [
            {"role": "user", "content": question or f"How many in {name}?"},
            {"role": "assistant", "content": "2 + 2 = 4\n#### 4"},
        ],
        "task": "math",
        "answer": answer,
    } | changes
    return {key: value for key, value in fields.items() if value is not None}


def write(path: Path, *lines: dict[str, Any] | str) -> str:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return str(path)


def many(path: Path, prefix: str, count: int) -> str:
    return write(path, *(item(f"{prefix}{i}") for i in range(count)))


def test_a_file_is_read_in_order(tmp_path):
    path = write(tmp_path / "a.jsonl", item("a"), "", item("b", meta={"source": 1}))
    first, second = samples_in(path)
    assert (first.id, first.meta, second.id, second.meta) == ("a", {}, "b", {"source": 1})


def test_any_fsspec_url_will_do():
    url = "memory://pada-test/a.jsonl"
    with fsspec.open(url, "w") as file:
        file.write(json.dumps(item("a")))
    assert [sample.id for sample in samples_in(url)] == ["a"]


def test_task_may_come_from_the_config_and_answer_from_the_reply(tmp_path):
    path = write(tmp_path / "a.jsonl", item("a", task=None, answer=None), item("b"))
    assert [(sample.task, sample.answer) for sample in samples_in(path, "math")] == [("math", "4")] * 2
    with pytest.raises(DataError, match="`task` is missing"):
        samples_in(path)


SYSTEM = {"role": "system", "content": "s"}
USER = {"role": "user", "content": "u"}
REPLY = {"role": "assistant", "content": "#### 4"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{oops", "not JSON"),
        ("[1]", "not a JSON object"),
        (item("b", id=None), "`id`: field required"),
        (item("b", id=3), "`id`: input should be a valid string"),
        (item("b", messages=None), "`messages`: field required"),
        (item("b", messages=[REPLY]), "`messages`: list should have at least 2"),
        (item("b", messages=[{"role": "robot", "content": ""}, REPLY]), "`messages.0.role`"),
        (item("b", messages=[USER, REPLY, USER]), "last message is from the user"),
        (item("b", messages=[USER, SYSTEM, REPLY]), "the message before the reply is from the system"),
        (item("b", " \n"), "the question, the user's last message, is empty"),
        (item("b", label="x"), "`label`: extra inputs"),
        (item("b", answer=3), "`answer"),
        (item("b", task="maths"), "task 'maths' is unknown"),
        (item("a"), "id 'a' is also at"),
        (item("b", answer="5"), "does not satisfy `answer`"),
        (item("b", answer="four"), "not a number"),
        (item("b", answer=""), "non-empty"),
        (item("b", answer=None, task="code"), "`answer` is missing"),
        (item("b", answer="assert 1", task="code"), "define check(candidate)"),
    ],
)
def test_a_wrong_line_is_named_in_one_line(tmp_path, line, said):
    path = write(tmp_path / "a.jsonl", item("a"), line)
    with pytest.raises(DataError) as caught:
        samples_in(path)
    text = str(caught.value)
    assert text.startswith(f"{path}:2: ") and said in text and "\n" not in text


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        samples_in(str(tmp_path / "absent.jsonl"))
    with pytest.raises(DataError, match="no samples"):
        samples_in(write(tmp_path / "empty.jsonl"))
    with pytest.raises(DataError, match="cannot be read"):
        samples_in(str(tmp_path))
    with pytest.raises(DataError, match="cannot be read"):
        samples_in("nosuchprotocol://x/a.jsonl")
    (tmp_path / "latin.jsonl").write_bytes('{"id": "é"}'.encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        samples_in(str(tmp_path / "latin.jsonl"))


def test_regimes_are_nested(tmp_path):
    train, val = many(tmp_path / "train.jsonl", "a", 100), many(tmp_path / "val.jsonl", "b", 10)
    whole, sixty, thirty = (load_splits(train, val, regime=regime, seed=7)["train"] for regime in (None, 60, 30))
    assert (len(whole), len(sixty), len(thirty)) == (100, 60, 30)
    assert whole[:60] == sixty and sixty[:30] == thirty
    assert load_splits(train, val, regime=30, seed=8)["train"] != thirty
    with pytest.raises(DataError, match="regime 101 is more than the file's 100"):
        load_splits(train, val, regime=101)


def test_evaluation_is_cut_to_the_same_items_for_every_seed(tmp_path):
    train, val, test = (many(tmp_path / f"{name}.jsonl", name, 20) for name in ("train", "val", "test"))
    splits = load_splits(train, val, test, eval_samples=5, seed=1)
    assert (len(splits["val"]), len(splits["test"])) == (5, 5)
    other = load_splits(train, val, test, eval_samples=5, seed=2)
    assert (splits["val"], splits["test"]) == (other["val"], other["test"])
    assert splits["train"] != other["train"]
    assert [sample.id for sample in load_splits(train, val, eval_samples=20)["val"]] == [f"val{i}" for i in range(20)]
    assert list(load_splits(train, val)) == ["train", "val"]


def test_half_of_a_character_is_an_error_wherever_it_stands(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps(item("a") | {"meta": {"from": "\ud83d"}}))
    with pytest.raises(DataError, match=r'a.jsonl:1: "\\ud83d" is half of a character'):
        samples_in(str(tmp_path / "a.jsonl"))


def test_a_question_in_two_splits_is_an_error(tmp_path):
    train = write(tmp_path / "train.jsonl", item("a"), item("b", "How many eggs -- 12, or 13?"))
    val = write(tmp_path / "val.jsonl", item("c", "how many EGGS: 12 or 13"))
    other = write(tmp_path / "other.jsonl", item("d"))
    with pytest.raises(DataError, match=f"{val}:1: the same question is at {train}:2"):
        load_splits(train, val)
    with pytest.raises(DataError, match=f"{val}:1: the same question is at {train}:2"):
        load_splits(train, other, val)
    with pytest.raises(DataError, match=f"{val}:1: the same question is at {val}:1"):
        load_splits(other, val, val)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 12 + 7?", "What is 12 - 7?"),
        ("What is 12 - 7?", "What is 12 7?"),
        ("1.5 x 2", "15 x 2"),
        (".5 x 2", "5 x 2"),
        ("Is 3 < 5?", "Is 3 > 5?"),
        ("x = -3", "x = 3"),
        ("(2 + 3) * 4", "2 + (3 * 4)"),
        ("It costs 5%", "It costs 5"),
        ("an ice", "a nice"),
        ("What is C?", "What is C#?"),
        ("What is C?", "What is C++?"),
        ("What does [] give?", "What does {} give?"),
        ("What does () give?", "What does [] give?"),
        ("Is p & q true?", "Is p | q true?"),
        ("Is p && q true?", "Is p & q true?"),
        ("Is !p true?", "Is p true?"),
        ("Is ~p true?", "Is p true?"),
        ("Is p ∧ q true?", "Is p ∨ q true?"),
        ("Plot -x", "Plot x"),
        ("Plot y = -x", "Plot y = x"),
        ("Simplify x - y", "Simplify x y"),
        ("Simplify x-1", "Simplify x 1"),
        ("What is 5!?", "What is 5?"),
        ("What is n!?", "What is n?"),
        ("What is the ratio 3:4?", "What is the ratio 3 4?"),
        ("What is f'(x)?", "What is f(x)?"),
        ("What is (a + b) * c?", "What is a + (b * c)?"),
        ("What is 1.5?", "What is 1,5?"),
        ("It costs $5", "It costs €5"),
        ("What does 😀 mean?", "What does 😢 mean?"),
        ("What does 👍 mean?", "What does 👍🏽 mean?"),
        ("😀", "😢"),
        ("What is _x?", "What is x?"),
        ("What does a_b mean?", "What does a b mean?"),
        ("What does \\n mean?", "What does n mean?"),
        ("What does the flag -f do?", "What does the flag --f do?"),
        ("Name a@b", "Name a b"),
        ("What is x²?", "What is x?"),
        ("के लिए क्या है", "का लिए क्या है"),
        ("Is x <= y?", "Is x < y?"),
        ("Is x != y?", "Is x = y?"),
    ],
)
def test_signs_and_spaces_tell_questions_apart(tmp_path, one, other):
    first, second = samples_in(write(tmp_path / "a.jsonl", item("a", one), item("b", other)))
    assert question_key(first) != question_key(second)


@pytest.mark.parametrize(
    "other", ["what is 12+7", "What is:  12 + 7 ...?", "WHAT -- is 12  +7", '"What is" 12 + 7', "**What** is *12 + 7*?"]
)
def test_case_spaces_and_punctuation_do_not(tmp_path, other):
    first, second = samples_in(write(tmp_path / "a.jsonl", item("a", "What is 12 + 7?"), item("b", other)))
    assert question_key(first) == question_key(second)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It's a well-known café, isn't it?", "It’s a well known cafe\u0301 – isn’t it"),
        ("I ❤\ufe0f it", "I ❤ it"),
        ("What is 5 − 3?", "what is 5-3"),
        ("«Who?», she asked", "Who, she asked"),
        ("几个苹果？", "几个苹果"),
    ],
)
def test_how_the_same_is_written_does_not_matter(tmp_path, one, other):
    first, second = samples_in(write(tmp_path / "a.jsonl", item("a", one), item("b", other)))
    assert question_key(first) == question_key(second)


def test_questions_of_signs_alone_are_told_apart(tmp_path):
    first, second = samples_in(write(tmp_path / "a.jsonl", item("a", "∫?"), item("b", "∑?")))
    assert question_key(first) != question_key(second)

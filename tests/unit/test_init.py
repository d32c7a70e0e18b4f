"""A first config for a file: what it says, that it can be used, and that nobody is asked."""

from __future__ import annotations

import json

import pytest
import yaml
from builders import room_for
from typer.testing import CliRunner

from jobs.cli import app
from jobs.local.checks import check_student
from pada_ray.config import load_config
from pada_ray.data.first_config import run_name
from pada_ray.data.splits import read_data

TEAMS = ("billing", "delivery", "returns")


def rows(task):
    kinds = {
        "label": lambda i: (f"My parcel {i} is late", TEAMS[i % 3]),
        "math": lambda i: (f"What is {i} + 1?", f"{i} + 1 = {i + 1}\n#### {i + 1}"),
        "json": lambda i: (f"Weather in town {i}", json.dumps({"name": "weather", "arguments": {"town": f"town {i}"}})),
        "exact": lambda i: (f"Who wrote book {i}?", f"Author {i}"),
        "judged": lambda i: (f"Write to customer {i}.", f"Dear customer {i}, we are sorry to hear that. " * 3),
    }
    return [dict(zip(("question", "answer"), kinds[task](i), strict=True)) for i in range(60)]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, content):
    path.write_text("".join(json.dumps(row) + "\n" for row in content))


def init(*args):
    return CliRunner().invoke(app, ["init", *args])


@pytest.mark.parametrize("task", ["label", "math", "json", "exact", "judged"])
def test_what_it_writes_can_be_run(here, task):
    write(here / "My Data.jsonl", rows(task))
    said = init("My Data.jsonl", "--student", "demo")
    assert said.exit_code == 0, said.output
    assert "next: pada run my-data.yaml --rehearse" in said.output
    text = (here / "my-data.yaml").read_text()
    assert len(text.splitlines()) < 30
    assert all(len(line) <= 120 for line in text.splitlines() if "question:" not in line)
    config = load_config("my-data.yaml")
    assert config.data.task == task
    samples = read_data(config)
    assert {split: len(members) for split, members in samples.items()} == {"train": 42, "val": 9, "test": 9}
    check_student(config, samples)


def test_of_labels_it_names_the_keys_that_are_for_them_alone(here):
    for task in ("label", "math"):
        write(here / f"{task}.jsonl", rows(task))
        assert init(f"{task}.jsonl").exit_code == 0
    written = (here / "label.yaml").read_text()
    for commented in ("# evaluation: {constrained_decoding: true} #", "# quality_control: {verify: classifier} #"):
        assert commented in written and commented not in (here / "math.yaml").read_text()
        written = written.replace(commented, commented[2:])
    (here / "label.yaml").write_text(written)
    config = load_config(str(here / "label.yaml"))
    assert config.evaluation.constrained_decoding
    assert config.quality_control.verify == "classifier"


def test_labels_are_told_to_a_student_that_never_saw_them(here):
    write(here / "tickets.jsonl", rows("label"))
    assert init("tickets.jsonl").exit_code == 0
    question = yaml.safe_load((here / "tickets.yaml").read_text())["data"]["question"]
    assert question == "Reply with one of these alone: billing, delivery, returns.\n\n{question}"


NO_TEXTS = [
    *("yes", "Off", "null", "~", "1.0", ".5", ".inf", "2024", "2024-01-02", "0x1f", "a: b", "#x", "- x", "a #b", "..."),
    *("'", '"', "*a", "&a", "!a", "[a", "a, b", "a]", "%", "@", "=", "\\n", "é 😀", "x\u2028y", "x\x85y", "x\x7fy"),
]


@pytest.mark.parametrize("name", ["2024", "null", "yes", "OFF", "2024-01-02", "0x1f", "1_000", "12e03", "~", "tickets"])
def test_a_file_may_be_called_as_it_likes(here, name):
    write(here / f"{name}.jsonl", rows("label"))
    assert init(f"{name}.jsonl", "--to", "c.yaml").exit_code == 0
    config = load_config("c.yaml")
    assert (config.name, config.data.file) == (run_name(f"{name}.jsonl"), f"{name}.jsonl")


@pytest.mark.parametrize("name", NO_TEXTS)
def test_columns_and_models_may_be_called_as_they_like(here, name):
    content = [{f"{name}1": f"My parcel {i} is late, please help", name: f"team {i % 3}"} for i in range(60)]
    write(here / "t.jsonl", content)
    said = init("t.jsonl", "--student", name)
    assert said.exit_code == 0, said.output
    config = load_config("t.yaml")
    assert (config.data.answer, config.student.model) == (name, name)
    assert len(read_data(config)["train"]) == 42


@pytest.mark.parametrize("name", [*NO_TEXTS, "{x}", "a{question}"])
def test_labels_may_be_called_as_they_like(here, name):
    write(here / "t.jsonl", [row | {"answer": name if i % 2 else "other"} for i, row in enumerate(rows("label"))])
    said = init("t.jsonl")
    assert said.exit_code == 0, said.output
    samples = read_data(load_config("t.yaml"))
    assert all(("{" in name or name in s.question) and s.question.count("parcel") == 1 for s in samples["train"])


@pytest.mark.parametrize("task", ["code", "init_evil:Task"])
def test_a_task_that_rows_name_imports_nothing(here, monkeypatch, task):
    (here / "init_evil.py").write_text("import pathlib\npathlib.Path('imported').touch()\n")
    monkeypatch.syspath_prepend(here)
    reply = {"role": "assistant", "content": "x"}
    chats = [[{"role": "user", "content": f"{i}?"}, reply] for i in range(60)]
    write(here / "t.jsonl", [{"messages": chat, "task": task} for chat in chats])
    said = init("t.jsonl")
    assert said.exit_code == (0 if task == "code" else 2), said.output
    assert task == "code" or "a line of data may name" in said.stderr
    assert not (here / "imported").exists()


def test_columns_in_doubt_are_guessed_and_nobody_is_asked(here):
    content = [{"n": i, "body": f"My parcel {i} is late, please help", "team": TEAMS[i % 3]} for i in range(60)]
    write(here / "tickets.jsonl", content)
    said = init("tickets.jsonl")
    assert said.exit_code == 0, said.output
    data = yaml.safe_load((here / "tickets.yaml").read_text())["data"]
    assert (data["question"].endswith("{body}"), data["answer"], data["task"]) == (True, "team", "label")


def test_at_a_terminal_it_asks_for_columns_in_doubt(here, monkeypatch):
    content = [{"n": i, "body": f"My parcel {i} is late", "team": TEAMS[i % 3], "mood": "ab"[i % 2]} for i in range(60)]
    write(here / "tickets.jsonl", content)
    monkeypatch.setattr("jobs.init._at_terminal", lambda: True)
    said = CliRunner().invoke(app, ["init", "tickets.jsonl"], input="\nteam\n")
    assert said.exit_code == 0, said.output
    assert "question column (n, body, team, mood) [body]" in said.output
    assert yaml.safe_load((here / "tickets.yaml").read_text())["data"]["answer"] == "team"


def test_a_strangers_column_names_do_not_control_the_terminal(here, monkeypatch):
    body, team = "body\x1b[2J", "\x1b]0;x\x07team"
    content = [{"n": i, body: f"My parcel {i} is late", team: TEAMS[i % 3], "mood": "ab"[i % 2]} for i in range(60)]
    write(here / "tickets.jsonl", content)
    monkeypatch.setattr("jobs.init._at_terminal", lambda: True)
    said = CliRunner().invoke(app, ["init", "tickets.jsonl"], input="\n]0;xteam\n")
    assert said.exit_code == 0, said.output
    assert "question column (n, body[2J, ]0;xteam, mood) [body[2J]" in said.output
    assert "\x1b" not in said.output and "\x07" not in said.output
    assert yaml.safe_load((here / "tickets.yaml").read_text())["data"]["answer"] == team


def test_a_layout_needs_no_columns(here):
    write(here / "a.jsonl", [{"instruction": r["question"], "output": r["answer"]} for r in rows("judged")])
    assert init("a.jsonl").exit_code == 0
    assert "layout alpaca" in (here / "a.yaml").read_text()
    assert "question" not in yaml.safe_load((here / "a.yaml").read_text())["data"]


@pytest.mark.parametrize(
    ("args", "said"),
    [(["gone.csv"], "gone.csv: no such file"), (["a.jsonl", "--to", "there.yaml"], "there.yaml: already exists")],
)
def test_mistakes(here, args, said):
    write(here / "a.jsonl", rows("label"))
    (here / "there.yaml").write_text("mine")
    found = init(*args)
    assert (found.exit_code, said in found.stderr) == (2, True)
    assert (here / "there.yaml").read_text() == "mine"


def test_too_few_rows_are_told_before_a_config_is_written(here):
    write(here / "a.jsonl", rows("label")[:3])
    assert "too few questions (3) for data.split" in init("a.jsonl").stderr
    assert not (here / "a.yaml").exists()


def test_a_config_without_room_is_not_left_half(here):
    write(here / "a.jsonl", rows("label"))
    with room_for(100):
        found = init("a.jsonl")
    assert (found.exit_code, found.stderr) == (2, "error: a.yaml: cannot be written: File too large\n")
    assert init("a.jsonl").exit_code == 0

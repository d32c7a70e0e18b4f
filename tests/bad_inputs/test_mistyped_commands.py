"""What is mistyped on a command line ends in an error with exit code 2, and in no traceback."""

from __future__ import annotations

import json

import pytest
from bad_input_cases import CONFIG
from typer.testing import CliRunner

from jobs.cli import app
from pada_ray.teacher import server


def said(*arguments):
    """What a command that is refused prints, in one line."""
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2, done.output
    return " ".join(done.output.split())


def error(*arguments):
    told = said(*arguments)
    assert told.startswith("error: ") and "Traceback" not in told
    return told


@pytest.mark.parametrize("port", ["99999", "-1", "65536"])
@pytest.mark.parametrize("command", [["ui", "runs/a"], ["teacher"], ["serve", "runs/a"]])
def test_a_port_that_is_none(command, port):
    told = said(*command, "--port", port)
    assert "--port" in told and "than or equal to" in told and "Traceback" not in told


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("seed=[1", "--set seed=[1: the value is not valid YAML"),
        ("seed", "--set seed: write it as key.path=value"),
        ("=1", "--set =1: write it as key.path=value"),
        ("seed=x", "--set seed: Input should be a valid integer"),
        ("sed=1", "--set sed: Extra inputs are not permitted"),
        ("seed.x=1", "--set seed: Input should be a valid integer"),
        ("faults.hangs=1", "--set faults.hangs"),
        ("faults=1", "--set faults: Input should be a valid dictionary"),
        ("faults.hang=2", "--set faults.hang: Input should be less than or equal to 1"),
    ],
)
def test_a_setting_of_the_teacher(setting, words):
    assert words in error("teacher", "--set", setting)


def test_settings_of_the_teacher_that_hold(monkeypatch):
    served = []
    monkeypatch.setattr(server, "serve", lambda *given: served.append(given))
    options = ["--set", "wrong_rate=0.3", "--set", "faults.rate_limit=0.1", "--set", "faults.hang=0.2", "--port", "0"]
    assert CliRunner().invoke(app, ["teacher", *options]).exit_code == 0
    ((settings, _, port),) = served
    assert (settings.wrong_rate, settings.faults, port) == (0.3, {"rate_limit": 0.1, "hang": 0.2}, 0)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("nodir/x.yaml", "nodir/x.yaml: there is no folder nodir; make it"),
        ("a.csv/x.yaml", "a.csv/x.yaml: there is no folder a.csv; make it"),
        ("/proc/x.yaml", "/proc/x.yaml: cannot be written: "),
    ],
)
def test_a_config_that_cannot_be_written(tmp_path, monkeypatch, place, words):
    monkeypatch.chdir(tmp_path)
    lines = ["question,answer", *(f"What is {i} + 1?,{i + 1}" for i in range(40))]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    assert words in error("init", "a.csv", "--to", place)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_student_in_the_home_of_nobody_is_planned_as_any_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(CONFIG)
    plans = [
        CliRunner().invoke(app, ["plan", "c.yaml", "--set", f"student.model={model}"])
        for model in ("~nobody-here/m", "owner/m")
    ]
    assert [plan.exit_code for plan in plans] == [0, 0], plans[0].output
    assert plans[0].output == plans[1].output


@pytest.mark.parametrize("split", ["0.8/nan/0.1", "nan/nan/nan", "0.8/0.1/nan", "inf/0.1/0.1", "0.8/0.1/-inf", "0.8//"])
def test_shares_that_are_no_numbers(tmp_path, split):
    file = tmp_path / "in.jsonl"
    file.write_text(json.dumps({"prompt": "What is 2 + 3?", "completion": "5"}))
    told = error("convert", str(file), str(tmp_path / "out"), "--split", split)
    assert f"--split {split}: write TRAIN/VAL/TEST" in told


@pytest.mark.parametrize("key", ["llm: offline", "name: 2024", "name: ../up", "runs:"])
@pytest.mark.parametrize("command", ["sweep", "plan"])
def test_a_key_of_a_sweep(tmp_path, monkeypatch, command, key):
    monkeypatch.chdir(tmp_path)
    name = key.partition(":")[0]
    lines = [line for line in CONFIG.splitlines() if not line.startswith((f"{name}:", "  " if name == "llm" else "\0"))]
    (tmp_path / "s.yaml").write_text("\n".join([*lines, key, "grid: {seed: [1, 2]}"]))
    told = error(command, "s.yaml")
    assert "s.yaml:" in told and f" {name}: " in told
    assert [path.name for path in tmp_path.iterdir()] == ["s.yaml"]

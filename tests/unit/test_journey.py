"""What `make journey` types: the commands of the tutorial, and few changes to them. The replay itself takes minutes."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import time
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from jobs.cli import COMMANDS, app
from pada_ray.config import load_config
from pada_ray.data.splits import read_data

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def journey():
    spec = importlib.util.spec_from_file_location("journey", ROOT / "tests" / "e2e" / "journey.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page():
    return (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")


def test_with_a_real_student_it_types_what_the_page_shows(journey):
    typed = journey.commands(page(), journey.Journey("/w/pada_ray-1.whl", "/models/small"))
    assert typed == [
        "python -m pip install -c constraints.txt '/w/pada_ray-1.whl[gguf]'",
        "pada init examples/tickets.csv --student /models/small",
        "pada run tickets.yaml --rehearse",
        "pada run tickets.yaml --set pattern_analysis.embedding=tfidf",
        "pada report runs/tickets",
        "pada export runs/tickets --to tickets-model --gguf Q8_0",
        'echo "Reply with one of these alone: account, billing, delivery, returns. My parcel has not arrived." '
        "| pada chat runs/tickets",
        "llama-server -m tickets-model/*.gguf --port 8080 --jinja",
        typed[-1],
    ]
    assert typed[-1].startswith("curl -s http://127.0.0.1:8080/v1/chat/completions ")


def test_without_one_there_is_no_gguf_and_samples_make_it_small(journey):
    typed = journey.commands(page(), journey.Journey("/w.whl", "demo", 16))
    smaller = " --set iterations=1 --set data.regime=16 --set data.eval_samples=16"
    assert typed[2] == f"pada run tickets.yaml --rehearse{smaller}"
    assert typed[3] == f"pada run tickets.yaml --set pattern_analysis.embedding=tfidf{smaller}"
    assert typed[5] == "pada export runs/tickets --to tickets-model"


def test_every_command_of_the_page_is_one_of_ours(journey):
    named = re.findall(r"pada (\w+)", " ".join(re.findall(r"^```bash\n(.*?)^```", page(), re.MULTILINE | re.DOTALL)))
    assert set(named) <= set(COMMANDS)


def test_the_page_asks_in_the_words_in_which_the_model_was_trained(journey, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["init", str(ROOT / journey.EXAMPLE), "--student", "demo"]).exit_code == 0
    question = load_config("tickets.yaml").data.question
    (asked,) = re.findall(r"-d '(.*)'", page())
    content = json.loads(asked)["messages"][0]["content"]
    assert content == question.format(ticket="My parcel has not arrived.")


def test_the_example_is_read_as_the_page_says(journey, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").mkdir()
    shutil.copy(ROOT / journey.EXAMPLE, tmp_path / "examples")
    said = CliRunner().invoke(app, ["init", journey.EXAMPLE, "--student", "demo"])
    assert said.exit_code == 0, said.output
    config = load_config("tickets.yaml")
    assert len((tmp_path / "tickets.yaml").read_text().splitlines()) < 30
    assert yaml.safe_load((tmp_path / "tickets.yaml").read_text())["data"]["task"] == "label"
    samples = read_data(config)
    assert {split: len(members) for split, members in samples.items()} == {"train": 113, "val": 23, "test": 24}
    assert {sample.answer for sample in samples["val"]} == journey.TEAMS


def test_a_server_that_has_ended_is_not_waited_for(journey, tmp_path):
    began = time.monotonic()
    with pytest.raises(AssertionError, match="llama-server ended with exit code 1 before it answered"):
        journey._ask_server("false --port 8080", "curl", tmp_path, dict(os.environ))
    assert time.monotonic() - began < 30

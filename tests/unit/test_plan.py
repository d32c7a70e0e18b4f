"""`pada plan`: what it says, and that saying it takes nothing."""

import socket
from pathlib import Path

import pytest
import yaml
from builders import math_sample
from typer.testing import CliRunner

from jobs.cli import app
from pada_ray.storage import Folder

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder to plan in, where nothing is to be written."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("COLUMNS", "120")
    return here


def planned(file, *arguments):
    """The lines that it prints, and the rows of its table by their purpose."""
    result = CliRunner().invoke(app, ["plan", str(file), *arguments])
    assert result.exit_code == 0, result.output
    rows = [[part.strip() for part in line.split("│")[1:-1]] for line in result.output.splitlines() if "│" in line]
    return result.output.splitlines(), {purpose: values for _, purpose, *values in rows}


def test_what_own_data_will_take_is_told_without_a_call_or_a_file(folder, tmp_path):
    Folder(str(tmp_path)).write_records("train.jsonl", [math_sample(f"t{i}") for i in range(8)])
    Folder(str(tmp_path)).write_records("val.jsonl", [math_sample(f"v{i}", f"What is {i} + 2?") for i in range(4)])
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = {"base_url": f"http://127.0.0.1:{server.getsockname()[1]}/v1", "model": "a", "api_key_env": "NO_KEY"}
        config = {
            "iterations": 2,
            "data": {split: str(tmp_path / f"{split}.jsonl") for split in ("train", "val")},
            "fine_tune": {"epochs": 5, "batch_size": 4},
            "llm": {"teacher": endpoint | {"price": {"prompt": 3000, "completion": 5000}}, "judge": endpoint},
            "grid": {
                "method": {
                    "vanilla": {"method": "vanilla"},
                    "pada": {},
                    "pada -quality": {"quality_control.enabled": False},
                }
            },
        }
        (tmp_path / "own.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        lines, rows = planned(tmp_path / "own.yaml")
        server.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has called
            server.accept()
    assert lines[0] == "method vanilla, pada, pada -quality"
    # Three models of 8, 12 and 16 samples for either pada, and the first of them is vanilla's too.
    assert lines[1] == "3 runs: 5 fine-tunings with their evaluations (2 more are shared), 80 optimiser steps"
    calls, prompt, completion, usd = rows["error_analysis"]
    # Of the first model once, of the second and the third for either pada: 4 failures in a call, 60 tokens to each.
    assert (calls, completion) == ("5", "1,200")
    tokens = int(prompt.replace(",", ""))
    assert tokens > 0
    assert usd == f"{(3000 * tokens + 5000 * 1200) / 1e6:,.2f}"
    assert rows["quality_control"][-1] == "no price"
    assert list(folder.iterdir()) == []


PRICES = {"cheap": 1, "dear": 1000}  # USD per million tokens


def sums(folder, grid):
    """The USD of each row of the plan of a grid, and of all."""
    endpoint = {"base_url": "http://x/v1", "model": "cheap", "price": {"prompt": 1, "completion": 1}}
    raw = {
        "data": {"demo": {}, "regime": 40, "eval_samples": 20},
        "student": {"model": "demo"},
        "llm": {"teacher": endpoint, "judge": endpoint},
        "grid": grid,
    }
    (folder / "own.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    lines, rows = planned(folder / "own.yaml")
    total = next(line for line in lines if line.startswith("In all: "))
    return {purpose: values[-1] for purpose, values in rows.items()}, total


def keys(model, price):
    endpoint = "llm.teacher"
    return {f"{endpoint}.model": model, f"{endpoint}.price.prompt": price, f"{endpoint}.price.completion": price}


@pytest.mark.parametrize("order", [["cheap", "dear"], ["dear", "cheap"]])
def test_each_run_of_a_sweep_is_counted_with_its_own_model_and_price(folder, order):
    alone = [sums(folder, {"t": {model: keys(model, PRICES[model])}})[0] for model in order]
    both, total = sums(folder, {"t": {model: keys(model, PRICES[model]) for model in order}})
    for purpose in ("error_analysis", "pattern_generation"):
        cheap, dear = sorted(float(usd[purpose].replace(",", "")) for usd in alone)
        assert float(both[purpose].replace(",", "")) == pytest.approx(cheap + dear, abs=0.02)
    usd = float(total.partition(" USD")[0].rpartition(", ")[2].replace(",", ""))
    assert usd == pytest.approx(sum(float(usd.replace(",", "")) for usd in both.values()), abs=0.05)


def test_a_model_without_a_price_in_one_run_is_told(folder):
    both, total = sums(folder, {"t": {"cheap": {}, "mine": {"llm.teacher.model": "mine", "llm.teacher.price": None}}})
    assert both["error_analysis"] == "no price"
    assert "no price for llm.teacher" in total and "llm.judge" not in total


def test_the_same_model_elsewhere_makes_its_calls_again(folder):
    places = {"here": {}, "there": {"llm.teacher.base_url": "http://y/v1"}}
    once, twice = (sums(folder, {"t": grid})[0] for grid in ({"here": {}}, places))
    assert float(twice["error_analysis"]) == pytest.approx(2 * float(once["error_analysis"]), abs=0.02)


def test_a_single_run_is_planned_as_its_overrides_say(folder):
    lines, rows = planned(CONFIGS / "demo.yaml", "--set", "method=auggpt", "--set", "data.regime=100")
    assert lines[0].startswith("1 run: 3 fine-tunings with their evaluations (0 more are shared), ")
    assert list(rows) == ["rephrasing"]
    assert list(folder.iterdir()) == []


def test_the_table_of_the_demo_can_be_planned(folder):
    lines, rows = planned(CONFIGS / "demo_table.yaml", "--only", "seed=30", "--only", "regime=300")
    assert [line.partition(";")[0] for line in lines[:3]] == [
        "kinds as in val and test, regime 300",
        "kinds some rare in train, regime 300",
        "kinds some absent from train, regime 300",
    ]
    # Eleven methods in three settings. Vanilla trains one model, the reference two and all others three. The first is
    # the same in a setting.
    assert lines[3].startswith("33 runs: 60 fine-tunings with their evaluations (30 more are shared), ")
    assert rows["pattern_generation"][-1] == "no price"
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no benchmark splits at {DATA}")
@pytest.mark.parametrize(
    ("table", "places", "runs"),
    [
        # Not HumanEval, whose programs are run as they are read; that takes long.
        ("table1", ["seed=0", "regime=300"], "16 runs: 28 fine-tunings with their evaluations (12 more are shared), "),
        ("table2", ["seed=0"], "10 runs: 18 fine-tunings with their evaluations (8 more are shared), "),
    ],
)
def test_the_tables_of_the_paper_can_be_planned(folder, table, places, runs):
    only = [argument for place in places for argument in ("--only", place)]
    lines, rows = planned(CONFIGS / "paper" / f"{table}.yaml", "--set", f"data.folder={DATA}", *only)
    assert any(line.startswith(runs) for line in lines)
    assert {"error_analysis", "pattern_generation", "quality_control"} <= rows.keys()
    assert list(folder.iterdir()) == []

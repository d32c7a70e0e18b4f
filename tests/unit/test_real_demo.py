"""What `make demo-real` trains on, out of the recorded runs in this repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.real import demo
from pada_ray.data.splits import read_data
from pada_ray.runs.sweep import load_sweep

ROOT = Path(__file__).resolve().parents[2]
ARCHIVES = ROOT / "benchmarks/results/real_table"
SIZES = {"vanilla": 300, "pada": 450, "blind": 450}


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_each_run_of_the_sweep_trains_on_the_samples_of_its_method(tmp_path):
    assert demo.take_out(ARCHIVES, ["pada", "blind"], tmp_path / "sets") == SIZES
    trains = {}
    for cell in load_sweep("configs/real/demo.yaml", []).cells:
        method = str(cell.coordinates["method"])
        if method == "more_steps":
            continue
        assert cell.config.data.train == f"runs/demo-real-data/{method}.jsonl"  # where the target writes them
        ours = cell.config.data.model_copy(update={"train": str(tmp_path / "sets" / f"{method}.jsonl")})
        trains[method] = read_data(cell.config.model_copy(update={"data": ours}))["train"]
    assert {method: len(train) for method, train in trains.items()} == SIZES
    begun_with = {sample.id for sample in trains["vanilla"]}
    for method in ("pada", "blind"):
        new = [sample for sample in trains[method] if sample.id not in begun_with]
        assert len(new) == SIZES[method] - SIZES["vanilla"]
        assert all(sample.meta["seed"] in begun_with for sample in new)  # written from a sample of train


def test_the_settings_are_those_of_the_runs_that_were_recorded():
    now = load_sweep("configs/real/demo.yaml", []).cells[0].config
    then = next(
        c.config
        for c in load_sweep("configs/real/table.yaml", []).cells
        if c.coordinates == {"dataset": "banking77", "seed": 10, "method": "vanilla"}
    )
    assert now.student.dtype == "auto"  # whatever is fast on the machine at hand
    assert now.student == then.student.model_copy(update={"dtype": "auto"})
    for section in ("fine_tune", "evaluation"):
        ours, theirs = (getattr(c, section).model_copy(update={"cpus_per_worker": "auto"}) for c in (now, then))
        assert ours == theirs, section


def test_more_steps_takes_as_many_on_the_samples_without_new_ones():
    cells = load_sweep("configs/real/demo.yaml", []).cells
    first = {str(cell.coordinates["method"]): cell.config for cell in cells if cell.coordinates["seed"] == 11}
    assert first["more_steps"].data == first["vanilla"].data
    for method in ("pada", "blind"):
        assert first["more_steps"].fine_tune.epochs * SIZES["vanilla"] == first[method].fine_tune.epochs * SIZES[method]


def test_patterns_are_shown_with_their_strategies_the_most_frequent_first(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["demo", str(ARCHIVES), "--to", str(tmp_path)])
    demo.main()
    printed = capsys.readouterr().out
    found = demo.findings(ARCHIVES)
    assert [f.size for f in found] == sorted((f.size for f in found), reverse=True)
    assert found
    for row in found:
        assert f"pattern, {row.size} failures: {row.category_name}" in printed
        assert row.strategy_name and f"strategy: {row.strategy_name}" in printed


def test_a_method_that_is_not_recorded_is_named(tmp_path):
    with pytest.raises(SystemExit, match=r"method-llm2llm\.tar\.xz: no such file"):
        demo.take_out(ARCHIVES, ["llm2llm"], tmp_path / "sets")
    assert not (tmp_path / "sets").exists()

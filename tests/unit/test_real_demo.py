"""What `make demo-real` trains on, out of recorded runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_runs import write_run

from benchmarks.kept_sweep import write_archive
from benchmarks.real import demo
from pada_ray.data.splits import read_data
from pada_ray.runs import run_files
from pada_ray.runs.sweep import load_sweep
from pada_ray.storage import Folder

ROOT = Path(__file__).resolve().parents[2]


def recorded(archives: Path, method: str, sets: list[str]) -> None:
    """An archive of a run of `method` with these training sets."""
    run = Folder(str(archives / "runs" / method))
    write_run(run, samples=10)
    files = {run_files.patterns(1): "", run_files.strategies(1): ""}
    files = {file: run.read_text(file) for file in files}
    files |= {run_files.training_set(i): lines for i, lines in enumerate(sets)}
    write_archive(archives / demo.CELL.format(method), files)


@pytest.fixture
def archives(tmp_path):
    lines = (ROOT / "examples/data/banking77/train_1000.jsonl").read_text().splitlines(keepends=True)
    for i, method in enumerate(("pada", "blind")):
        recorded(tmp_path, method, ["".join(lines[:20]), "".join(lines[: 20 + 5 * (i + 1)])])
    return tmp_path


def test_each_run_of_the_sweep_trains_on_the_samples_of_its_method(archives, tmp_path, monkeypatch):
    assert demo.take_out(archives, ["pada", "blind"], tmp_path / "sets") == {"vanilla": 20, "pada": 25, "blind": 30}
    monkeypatch.chdir(ROOT)
    sweep = load_sweep("configs/real/demo.yaml", [])
    for cell in sweep.cells:
        method = cell.coordinates["method"]
        ours = cell.config.data.model_copy(update={"train": str(tmp_path / "sets" / f"{method}.jsonl")})
        train = read_data(cell.config.model_copy(update={"data": ours}))["train"]
        assert len(train) == {"vanilla": 20, "pada": 25, "blind": 30}[str(method)]
        assert cell.config.data.train == f"runs/demo-real-data/{method}.jsonl"  # where the target writes them


def test_the_settings_are_those_of_the_runs_that_were_recorded(monkeypatch):
    monkeypatch.chdir(ROOT)
    now = load_sweep("configs/real/demo.yaml", []).cells[0].config
    then = next(
        c.config
        for c in load_sweep("configs/real/table.yaml", []).cells
        if c.coordinates == {"dataset": "banking77", "seed": 10, "method": "vanilla"}
    )
    assert now.student.dtype == "auto"  # whatever is fast on the machine at hand
    assert now.student == then.student.model_copy(update={"dtype": "auto"})
    for section in ("fine_tune", "evaluation", "seed"):
        assert getattr(now, section) == getattr(then, section), section


def test_patterns_are_shown_with_their_strategies_the_most_frequent_first(archives):
    found = demo.findings(archives)
    assert [f.size for f in found] == sorted((f.size for f in found), reverse=True)
    assert all(f.strategy_name == f"=Strategy {f.cluster}" for f in found)
    assert len(found) == 2


def test_a_method_that_is_not_recorded_is_named(archives, tmp_path):
    with pytest.raises(SystemExit, match=r"method-llm2llm\.tar\.xz: no such file"):
        demo.take_out(archives, ["llm2llm"], tmp_path / "sets")

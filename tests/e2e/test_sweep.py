"""A grid of runs by the real command: shared stages, several at a time, killed and resumed."""

from __future__ import annotations

import shutil

import pytest
import yaml
from conftest import ROOT, Started, pada, read_state, settings

from pada_ray.demo import STUDENT

GRID = {"method": {"vanilla": {"method": "vanilla"}, "pada": {}, "auggpt": {"method": "auggpt"}}}


def write_sweep(folder, grid=GRID):
    raw = yaml.safe_load((ROOT / "configs/demo.yaml").read_text())
    file = folder / "sweep.yaml"
    file.write_text(yaml.safe_dump(raw | {"name": "small", "parallel": 2, "grid": grid}, sort_keys=False))
    return str(file)


def test_a_sweep_is_killed_goes_on_and_does_nothing_twice(tmp_path):
    file = write_sweep(tmp_path)
    args = ("sweep", file, *settings())
    cells = tmp_path / "runs" / "small" / "cells"

    def vanilla_is_done():
        state = read_state(cells / "method-vanilla")
        return state is not None and state.status == "done"

    first = Started(*args, cwd=tmp_path)
    first.wait_until(vanilla_is_done, "the first run's end")
    first.kill(driver_only=True)
    trained = (cells / "method-vanilla" / "iteration-0" / "adapter" / "adapter_model.safetensors").read_bytes()
    done = pada(*args, cwd=tmp_path)
    assert "3 runs, 1 done" in done.stdout
    assert "method-auggpt: done" in done.stdout
    for name in ("pada", "auggpt"):
        run = cells / f"method-{name}"
        assert read_state(run).status == "done"
        assert (run / "iteration-0" / "adapter" / "adapter_model.safetensors").read_bytes() == trained
        assert len((run / "iteration-1" / "training_set.jsonl").read_text().splitlines()) == 60
    first = [read_state(run).finished["iteration-0: fine-tuning"] for run in cells.iterdir()]
    assert sorted(stage.shared for stage in first) == [False, True, True]
    # base, the first model and its evaluation once, and for each of the two methods one more model with its evaluation
    # and for one of them the clusters of both its models' failures
    stored = [entry for entry in (tmp_path / "runs" / "small" / "shared").iterdir() if (entry / "done").is_file()]
    assert len(stored) == 3 + 2 * 2 + 2


@pytest.mark.slow
def test_a_run_that_fails_does_not_stop_the_others(tmp_path):
    broken = tmp_path / "model"
    shutil.copytree(STUDENT, broken)
    (broken / "model.safetensors").write_bytes(b"")  # passes every look before the start, and cannot be loaded
    grid = {"student": {"good": {}, "broken": {"student.model": str(broken)}}, "method": ["vanilla"]}
    file = write_sweep(tmp_path, grid)
    done = pada("sweep", file, *settings(student__model="demo"), cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "1 of 2 runs failed" in done.stderr
    assert read_state(tmp_path / "runs/small/cells/student-good_method-vanilla").status == "done"


def test_a_mistake_in_a_cell_is_one_line_before_anything_is_done(tmp_path):
    file = write_sweep(tmp_path, {"method": ["vanilla", "padda"]})
    done = pada("sweep", file, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "cell method-padda: method" in done.stderr
    assert not (tmp_path / "runs").exists()

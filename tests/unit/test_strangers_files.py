"""What a stranger's files may not do: have something imported, by whatever name stands in them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from builders import samples_in
from report_runs import write_run

from jobs.evaluate import evaluate
from pada_ray.agents.embedding import embed
from pada_ray.data.conversion import read_converted
from pada_ray.data.splits import load_splits
from pada_ray.errors import ConfigError, DataError
from pada_ray.runs import run_files
from pada_ray.runs.state import read_state, write_state
from pada_ray.storage import Folder
from pada_ray.tasks import check_named_by_data

ROOT = Path(__file__).resolve().parents[2]
TASK = """
import pathlib
pathlib.Path(__file__).with_name("imported").touch()
from pada_ray.tasks.judged import Judged as T
"""
NAMES = ["evil:T", "evil", "evil.sub:T", "os:system", "pada_ray.tasks.math:Math", "planted", ":", " math", ""]


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """A module `evil`, and an installed package with a task `planted`, that leave a file when they are imported."""
    (tmp_path / "evil.py").write_text(TASK)
    installed = tmp_path / "evil-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[pada_ray.tasks]\nplanted = evil:T\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("evil", None)


def line(task: str, **fields: object) -> str:
    messages = [{"role": "user", "content": "How many?"}, {"role": "assistant", "content": "2 + 2 = 4\n#### 4"}]
    return json.dumps({"id": "a", "messages": messages, "task": task, "answer": "4"} | fields) + "\n"


def imported(folder: Path) -> bool:
    return (folder / "imported").exists()


@pytest.mark.parametrize("task", NAMES)
@pytest.mark.parametrize("own", [None, "math", "evil:Other"])
def test_a_line_of_data_imports_nothing(evil, task, own):
    file = evil / "train.jsonl"
    file.write_text(line("math", id="b") + line(task))
    with pytest.raises(DataError, match=r"train\.jsonl:2: task .* is unknown: a line of data may name"):
        samples_in(str(file), own)
    assert not imported(evil)


def test_neither_do_val_and_test_nor_what_is_converted(evil):
    (evil / "good.jsonl").write_text(line("math"))
    (evil / "bad.jsonl").write_text(line("evil:T"))
    good, bad = str(evil / "good.jsonl"), str(evil / "bad.jsonl")
    for files in ([bad, good], [good, bad], [good, good, bad]):
        with pytest.raises(DataError, match=r"bad\.jsonl:1: task 'evil:T' is unknown: a line of data may name"):
            load_splits(*files, task="math")
    for task in (None, "math"):
        with pytest.raises(DataError, match=r"no row can be converted.*'evil:T' is unknown: a line of data may name"):
            read_converted(bad, task=task)
    assert not imported(evil)


def test_the_configs_own_task_may_stand_in_data(evil):
    (evil / "train.jsonl").write_text(line("evil:T") + line("math", id="b"))
    assert [s.task for s in samples_in(str(evil / "train.jsonl"), "evil:T")] == ["evil:T", "math"]
    assert imported(evil)
    check_named_by_data("planted", "planted")


@pytest.fixture
def run(evil) -> Path:
    """A stranger's finished run that names `evil` wherever a run names a task."""
    folder = Folder(str(evil / "run"))
    write_run(folder, samples=30, left=True)
    for path in Path(folder.url).rglob("*.jsonl"):
        path.write_text(path.read_text().replace('"task":"math"', '"task":"evil:T"'))
    assert '"evil:T"' in folder.read_text(run_files.split("val"))
    return evil / "run"


@pytest.mark.parametrize("command", ["report", "show", "status"])
@pytest.mark.parametrize("own", [None, "evil:T"])
@pytest.mark.parametrize("stands_at", ["done", "paused"])
def test_to_look_at_a_run_imports_nothing(evil, run, command, own, stands_at):
    """Even where its config names the task: only a command that *runs* a config looks up what that names."""
    folder, config = Folder(str(run)), run / run_files.CONFIG
    write_state(folder, read_state(folder).model_copy(update={"status": stands_at}))
    config.write_text(config.read_text().replace("task: null", f"task: {own}") if own else config.read_text())
    assert own is None or own in config.read_text()
    done = subprocess.run(
        [sys.executable, "-m", f"jobs.{command}", str(run)],
        env={"PYTHONPATH": f"{evil}:{ROOT}", "PATH": "", "HOME": str(evil)},
        cwd=evil,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0 or "a line of data may name" in done.stderr, done.stderr
    assert not imported(evil)


def test_neither_does_a_run_whose_data_name_another_task_than_its_config(evil, run):
    with pytest.raises(ConfigError, match="task 'evil:T' is unknown: a line of data may name"):
        run_files.read_samples(Folder(str(run)), "math")
    with pytest.raises(ConfigError, match="task 'evil:T' is unknown: a line of data may name"):
        evaluate(str(run))
    assert not imported(evil)


def test_an_embedding_model_that_names_a_class_of_its_own_is_not_loaded(evil):
    """The report of a stranger's run loads the model that the run's config names."""
    model = evil / "model"
    model.mkdir()
    (model / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": "", "type": "evil.T"}]))
    (model / "evil.py").write_text(TASK)
    with pytest.raises(ConfigError, match=r"pattern_analysis\.embedding: cannot load"):
        embed(["a", "b"], str(model), 0)
    assert not imported(evil) and not imported(model)

"""`pada resume RUN --from STAGE`: whatever is wrong with the command is told before anything is undone."""

from __future__ import annotations

import pytest
import typer
from waiting_runs import begun, run

from jobs import resume as module
from jobs.command import command
from jobs.resume import resume
from pada_ray.runs.configs import read_config
from pada_ray.storage import Folder

BACK = "iteration-0: fine-tuning"


@pytest.fixture
def folder(tmp_path):
    folder = begun(tmp_path / "run")
    assert run(folder).status == "done"
    return folder


@pytest.fixture
def driven(monkeypatch):
    """The runs that went on, and whether their endpoints were asked then."""
    runs = []
    monkeypatch.setattr(module, "drive", lambda run, verbose, *, probing: runs.append((run, probing)))
    return runs


def content(folder):
    return {path: folder.read_bytes(path) for path in folder.files("")}


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["budget.tokens=abc"], "budget.tokens: "),
        (["budget.tokens"], "write it as key.path=value"),
        (["seed=3"], "a run keeps its settings"),
        (["llm.teacher.modle=x"], "llm.teacher.modle: unknown key"),
        (["data_generation.ratio=0.001"], "rounds to 0 new samples"),
        (["budget.tokens=1"], "budget.tokens: 1 tokens are left"),
        (["llm.teacher.base_url=http://127.0.0.1:9/v1", "llm.teacher.max_retries=0"], "cannot be reached"),
    ],
)
def test_a_mistake_undoes_nothing(folder, driven, capsys, overrides, told):
    before = content(folder)
    with pytest.raises(typer.Exit) as end:
        command(resume)(folder.url, set_=overrides, from_=BACK)
    said = capsys.readouterr().err
    assert end.value.exit_code == 2
    assert told in said and said.count("\n") == 1
    assert before.items() <= content(folder).items()
    assert driven == []


def test_a_cluster_that_is_not_there_undoes_nothing(folder, driven, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    before = content(folder)
    with pytest.raises(typer.Exit):
        command(resume)(folder.url, from_=BACK)
    assert before.items() <= content(folder).items()


def test_a_damaged_file_of_an_earlier_stage_undoes_nothing(folder, driven, capsys):
    folder.write_text("base/predictions.jsonl", "")
    before = content(folder)
    with pytest.raises(typer.Exit):
        command(resume)(folder.url, from_=BACK)
    assert "base/predictions.jsonl: damaged" in capsys.readouterr().err
    assert before.items() <= content(folder).items()


def test_what_holds_is_undone_and_goes_on_with_the_new_settings(folder, driven):
    resume(folder.url, set_=["pattern_analysis.batch_size=3", "budget.tokens=5_000_000"], from_=BACK)
    assert not folder.exists("iteration-0/adapter")
    assert read_config(folder).pattern_analysis.batch_size == 3
    assert driven == [(folder.url, False)]  # they have been asked
    resume(Folder(folder.url).url)
    assert driven[1:] == [(folder.url, True)]

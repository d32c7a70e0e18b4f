"""Paths, names and texts of others are printed as they are: rich would read what is in brackets as markup."""

from __future__ import annotations

import io

import pytest
from builders import small_config
from report_runs import write_run
from rich.console import Console
from typer.testing import CliRunner

from jobs import sweep as sweeping
from jobs.cli import app
from jobs.local.progress import Progress
from jobs.local.run_folder import prepare
from jobs.remote import package as packaging
from jobs.remote.following import follow
from pada_ray.errors import BudgetReached
from pada_ray.llm.waiting import Waiting
from pada_ray.runs.state import RunState, write_state
from pada_ray.storage import Folder

ODD = "a[/x] [red]b"  # closes what was not opened
TEXT = f"{ODD}\x1b[2J"  # and clears a terminal


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / ODD).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / ODD


def said(*arguments):
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output or done.exception
    return done.output


def test_the_status_of_a_run(here):
    run = prepare(small_config(runs=str(here)))
    assert said("status", run) == f"{run}: prepared, not started; `pada resume {run}` starts it\n"
    write_state(Folder(run), RunState(name="pada", status="failed", error=TEXT))
    lines = said("status", run).splitlines()
    assert lines[0].startswith(f"{run}: failed, last change")
    assert f"error: {ODD}[2J" in lines


def test_where_a_report_is(here):
    write_run(Folder(str(here)))
    assert f"page: {here}/report/index.html\n" in said("report", str(here))


def progress(folders):
    out = io.StringIO()
    return Progress(Console(file=out, width=200), {f: small_config() for f in folders}), out


def test_a_run_under_way(here):
    run = prepare(small_config(runs=str(here)))
    shown, out = progress([run])
    state = RunState(name="pada", warnings={"a": TEXT})
    waiting = Waiting(role="judge", calls=1, seconds=70, retried=1, reason=TEXT)
    shown.show(run, state, 0.0, waiting=[waiting])
    assert f"run: {run}\n" in out.getvalue()
    assert f"warning: {ODD}[2J\n" in out.getvalue()
    assert f"judge: 1 call waiting 70 s, 1 retried ({ODD}[2J)\n" in out.getvalue()


def test_a_run_of_a_sweep_that_has_ended(here):
    shown, out = progress(["a", "b"])
    shown.ended("a", BudgetReached(TEXT))
    assert f"paused: {ODD}[2J | " in out.getvalue()


def test_where_a_sweep_is(here, monkeypatch, capsys):
    monkeypatch.setattr(sweeping, "drive_all", lambda *_, **__: {})
    (here / "s.yaml").write_text(
        "data: {demo: {}, regime: 20, eval_samples: 5}\nmethod: vanilla\nstudent: {model: demo}\ngrid: {seed: [1]}\n"
    )
    sweeping.sweep(str(here / "s.yaml"), set_=[f"runs={here}"])
    assert f"sweep: {here}/sweep, 1 runs, 0 done\n" in capsys.readouterr().out


def test_what_travels_with_a_job(here, capsys, monkeypatch):
    monkeypatch.setattr(packaging, "read_package", lambda folder: packaging.Package(here, {"[b]file": 1}))
    packaging.package(str(here))
    printed = capsys.readouterr().out
    assert f"1 files of {here}\n" in printed and "[b]file" in printed


def test_how_a_job_has_ended():
    details = type("Details", (), {"status": "FAILED", "driver_exit_code": None, "message": TEXT})()
    client = type("Client", (), {"get_job_info": lambda *_: details, "get_job_logs": lambda *_: ""})()
    out = io.StringIO()
    follow(client, "job", "http://x", Console(file=out, markup=False, soft_wrap=True))
    assert out.getvalue() == f"job: failed, exit code 1\n{ODD}[2J\n"

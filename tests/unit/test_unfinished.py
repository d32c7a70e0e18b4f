"""A run that was stopped or killed: what `pada status` says of it, and what `pada run` does."""

import pytest
from builders import small_config
from report_runs import cell, write_run, write_sweep
from test_lock import held

from jobs.local.run_folder import prepare
from jobs.status import status
from pada_ray.errors import ConfigError
from pada_ray.runs.state import FILE, RunState
from pada_ray.storage import Folder


def config(tmp_path, **values):
    return small_config(name="mine", runs=str(tmp_path), method="vanilla", **values)


@pytest.fixture
def begun(tmp_path):
    """Lays out a run of `config` that stands at a stage with a status, and gives its folder."""

    def of(status):
        run = prepare(config(tmp_path))
        state = RunState(name="mine", status=status, stage="iteration-1: fine-tuning")
        Folder(run).write_text(FILE, state.model_dump_json())
        return run

    return of


def told(run, capsys):
    capsys.readouterr()
    status(run)
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("state", ["running", "stopped", "paused", "failed"])
def test_status_says_how_to_go_on_with_a_run_that_stands_still(begun, capsys, state):
    run = begun(state)
    said = told(run, capsys)
    now = "stopped" if state == "running" else state  # it was killed: nothing holds its lock
    assert said.startswith(f"{run}: {now}, last change")
    assert f"`pada resume {run}` goes on" in said


def test_a_run_under_way_and_one_that_is_done_need_nothing(begun, capsys):
    run = begun("running")
    with held(run):
        under_way = told(run, capsys)
    assert under_way.startswith(f"{run}: running, ") and "pada resume" not in under_way
    Folder(run).write_text(FILE, RunState(name="mine", status="done").model_dump_json())
    assert "pada resume" not in told(run, capsys)


def test_status_of_a_sweep_has_a_line_for_each_run(tmp_path, capsys):
    sweep = Folder(str(tmp_path / "sweep"))
    write_sweep(sweep, {name: {"method": name} for name in ("pada", "blind", "vanilla")})
    write_run(cell(sweep, "pada"))
    write_run(cell(sweep, "blind"), status="running")
    said = told(sweep.url, capsys)
    assert said.startswith(f"{sweep.url}: a sweep of 3 runs, 1 done the same `pada sweep FILE` goes on")
    assert said.endswith("pada: done blind: stopped at iteration-1: fine-tuning vanilla: not begun")


def test_on_a_disk_of_several_machines_the_state_is_believed(tmp_path, capsys):
    run = prepare(config(tmp_path, shared_disk=True))
    Folder(run).write_text(FILE, RunState(name="mine").model_dump_json())
    assert told(run, capsys).startswith(f"{run}: running, ")


@pytest.mark.parametrize("state", ["running", "stopped", "paused", "failed"])
def test_a_run_that_stands_still_is_offered_instead_of_another_from_zero(begun, tmp_path, state):
    run = begun(state)
    with pytest.raises(ConfigError, match=rf"^{run}: a run with these settings is .* `pada resume {run}` goes on") as e:
        prepare(config(tmp_path))
    assert "--new" in str(e.value)
    with pytest.raises(ConfigError, match="a run with these settings"):
        prepare(config(tmp_path, budget={"tokens": 5_000_000}))  # which may change when it is resumed
    assert prepare(config(tmp_path), new=True) == f"{run}-2"


def test_other_settings_begin_another_run(begun, tmp_path):
    run = begun("stopped")
    assert prepare(config(tmp_path, seed=7)) == f"{run}-2"


def test_a_run_that_is_done_or_has_not_begun_is_no_reason_to_stop(begun, tmp_path):
    run = begun("done")
    assert prepare(config(tmp_path)) == f"{run}-2"
    assert prepare(config(tmp_path)) == f"{run}-3"


def test_a_run_under_way_does_not_keep_another_from_beginning(begun, tmp_path):
    run = begun("running")
    with held(run):
        assert prepare(config(tmp_path)) == f"{run}-2"

"""The driver's loop over the runs of a command, with stand-ins for their actors."""

from __future__ import annotations

import contextlib
import errno
import os
from types import SimpleNamespace

import pytest
import ray
from builders import small_config
from ray import exceptions
from rich.console import Console

from jobs.local import runner
from jobs.local.progress import Progress
from jobs.local.ray_session import Interrupt
from jobs.local.runner import NotBegun
from jobs.output import unfailing
from pada_ray.errors import DiskFull, PadaError
from pada_ray.runs.state import RunState
from pada_ray.storage import disk_full

RUNS = ("runs/a", "runs/b", "runs/c")


class Remote:
    """A method of an actor, and the reference to what it gives: `ray.get` does the work."""

    def __init__(self, work):
        self.work = work

    def remote(self):
        return self


def raised(e):
    def work():
        raise exceptions.RayTaskError("work", "Traceback", e, "ray::work", 1, "127.0.0.1").as_instanceof_cause()

    return work


class Driver:
    """Drives RUNS, each of which ends by what `ends` gives it, or never. `did` is what happened to their casts."""

    def __init__(self, monkeypatch):
        self.did, self.ends, self.status = [], {}, lambda: (RunState(name="x", stage="base: evaluation"), 0.0)
        driver = self

        class Cast:
            def __init__(self, config, run, *_, **__):
                self.run, self.gateways = run, []
                self.orchestrator = SimpleNamespace(status=Remote(lambda: driver.status()))

            def start(self):
                driver.did.append(f"{self.run} begun")
                return Remote(driver.ends[self.run]) if self.run in driver.ends else None

            def interrupt(self):
                driver.did.append(f"{self.run} interrupted")

            def under_way(self):
                return 2

            def close(self):
                driver.did.append(f"{self.run} closed")

        monkeypatch.setattr("actors.cast.Cast", Cast)
        monkeypatch.setattr(ray, "wait", lambda endings, timeout: ([e for e in endings if e is not None], []))
        monkeypatch.setattr(ray, "get", lambda reference: reference.work())
        monkeypatch.setattr(runner, "log_folder", lambda: "/logs")

    def drive(self, parallel, console):
        configs = {run: small_config(name=run.rpartition("/")[2]) for run in RUNS}
        return runner._conduct(configs, parallel, {}, Progress(console, configs), Interrupt())


@pytest.fixture
def driver(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return Driver(monkeypatch)


@pytest.fixture
def full():
    """A file on a full disk."""
    with contextlib.suppress(OSError), open("/dev/full", "w") as file:  # which it raises when it is closed
        yield file


@pytest.mark.parametrize("terminal", [False, True])
def test_an_output_on_a_full_disk_ends_no_run(driver, full, terminal):
    driver.ends = dict.fromkeys(RUNS, lambda: None)
    console = Console(file=unfailing(full), force_terminal=terminal)
    assert driver.drive(2, console) == {}
    assert [did for did in driver.did if "closed" in did] == [f"{run} closed" for run in RUNS]
    assert not console._buffer  # rich would write again, with each line, all that had no room


@pytest.mark.parametrize("e", [KeyboardInterrupt(), OSError("no such device"), disk_full("/tmp"), SystemExit(1)])
def test_whatever_ends_the_loop_has_the_calls_of_all_runs_waited_for(driver, e):
    def status():
        raise e

    driver.status = status
    with pytest.raises(type(e)):
        driver.drive(3, Console(quiet=True))
    assert driver.did[3:] == [f"{run} interrupted" for run in RUNS] + [f"{run} closed" for run in RUNS]


@pytest.mark.parametrize("e", [disk_full("/tmp"), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))])
def test_no_run_is_begun_on_a_full_disk(driver, e):
    driver.ends = {"runs/a": raised(e), "runs/b": lambda: None, "runs/c": lambda: None}
    failures = driver.drive(1, Console(quiet=True))
    assert driver.did == ["runs/a begun", "runs/a closed"]
    assert {run: type(failure) for run, failure in failures.items()} == dict(
        zip(RUNS, (DiskFull, NotBegun, NotBegun), strict=True)
    )


def test_what_fails_for_another_reason_holds_up_no_other_run(driver):
    driver.ends = {"runs/a": raised(PadaError("a mistake")), "runs/b": lambda: None, "runs/c": lambda: None}
    assert list(driver.drive(1, Console(quiet=True))) == ["runs/a"]
    assert [did for did in driver.did if "begun" in did] == [f"{run} begun" for run in RUNS]


def test_what_a_run_prints_is_dropped_where_it_has_no_room(monkeypatch, full):
    def drive_all(runs, parallel, verbose, console, **_):
        console.print("a line")
        raise DiskFull("the run's own disk")

    monkeypatch.setattr(runner, "drive_all", drive_all)
    monkeypatch.setattr(runner, "read_config", lambda folder: small_config())
    monkeypatch.setattr("sys.stdout", full)
    with pytest.raises(DiskFull, match="the run's own disk"):
        runner.drive("runs/a", False)

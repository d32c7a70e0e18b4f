"""Trackers: what a run tells them, where each keeps it offline, and that none can end or delay a run."""

from __future__ import annotations

import asyncio
import importlib.util
import pickle
import sys
import threading
from types import SimpleNamespace
from typing import get_args

import pytest
from builders import RAW
from stub_workers import StubWorkers
from test_orchestrator import World, prepared

from pada_ray.config import check_config
from pada_ray.errors import ConfigError, ReviewDue
from pada_ray.orchestrator import Orchestrator
from pada_ray.runs import tracking
from pada_ray.runs.event_log import Notices
from pada_ray.runs.state import RunState
from pada_ray.runs.tracking import Tracking, check_tracking, flat
from pada_ray.storage import Folder

ENDS = [status for status in get_args(RunState.model_fields["status"].annotation) if status != "running"]


class Kept:
    """A tracker that keeps what it is told."""

    def __init__(self, config, folder):
        self.told = []
        Kept.last = self

    def scores(self, model, figures):
        self.told.append(("scores", model, figures))

    def loss(self, model, by_epoch):
        self.told.append(("loss", model, by_epoch))

    def end(self, status, best):
        self.told.append(("end", status, best))


def config_with(*names, **keys):
    return check_config(RAW | {"tracking": list(names)} | keys, "test")


def run(folder, *names, world=None, **keys):
    config = config_with(*names, **keys)
    notice = pickle.loads(pickle.dumps(Notices(Tracking(config, folder.url))))  # as it comes to the actor
    return asyncio.run(Orchestrator(config, folder.url, (world or World()).workers(), notice).run())


def test_a_run_tells_its_losses_scores_counts_and_end(tmp_path, monkeypatch):
    monkeypatch.setitem(tracking._TRACKERS, "mlflow", Kept)
    run(prepared(tmp_path), "mlflow")
    told = Kept.last.told
    scores = {model: figures for what, model, figures in told if what == "scores"}
    assert [figures["accuracy/test"] for figures in scores.values()] == [0, 25, 50, 75]
    assert list(scores) == [0, 1, 2, 3]  # the base model, vanilla fine-tuning, two iterations
    assert (scores[1].get("counts/accepted"), scores[2]["counts/accepted"]) == (None, 4)
    assert {model for what, model, _ in told if what == "loss"} == {"iteration-0", "iteration-1", "iteration-2"}
    assert told[-1] == ("end", "done", "iteration-2")


def test_a_run_that_fails_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(tracking._TRACKERS, "wandb", Kept)
    with pytest.raises(RuntimeError):
        run(prepared(tmp_path), "wandb", world=StubWorkers(die_in="error_analysis"))
    assert Kept.last.told[-1] == ("end", "failed", None)


def test_a_run_that_waits_for_a_review_says_so_and_goes_on_in_the_same_record(tmp_path, monkeypatch):
    monkeypatch.setitem(tracking._TRACKERS, "mlflow", Kept)
    folder = prepared(tmp_path)
    with pytest.raises(ReviewDue):
        run(folder, "mlflow", review=["strategies"])
    assert Kept.last.told[-1] == ("end", "waiting for review", None)
    assert run(folder, "mlflow").status == "done"
    assert Kept.last.told[-1] == ("end", "done", "iteration-2")


@pytest.mark.parametrize("broken", ["__init__", "scores", "loss", "end"])
def test_a_broken_tracker_ends_no_run(tmp_path, monkeypatch, caplog, broken):
    def fail(*_):
        raise ConnectionError("no network")

    monkeypatch.setitem(tracking._TRACKERS, "wandb", type("Broken", (Kept,), {broken: fail}))
    assert run(prepared(tmp_path), "wandb").status == "done"
    assert [record.getMessage() for record in caplog.records] == [
        "tracking: wandb failed, and the run goes on without it: no network"
    ]


def test_a_tracker_that_hangs_delays_no_step(tmp_path, monkeypatch):
    free = threading.Event()
    monkeypatch.setitem(tracking._TRACKERS, "mlflow", type("Slow", (Kept,), {"scores": lambda *_: free.wait(20)}))
    monkeypatch.setattr(tracking, "_AT_THE_END_S", 0.05)
    assert run(prepared(tmp_path), "mlflow").status == "done"
    free.set()


def test_without_trackers_nothing_is_started(tmp_path):
    before = threading.active_count()
    run(prepared(tmp_path))
    assert threading.active_count() <= before  # those of other tests may end


def test_a_config_is_told_by_the_paths_of_its_keys():
    assert flat({"a": {"b": {"c": 1}, "d": {}}, "e": [1]}) == {"a.b.c": 1, "a.d": {}, "e": [1]}


@pytest.mark.parametrize("name", ["mlflow", "wandb", "tensorboard"])
def test_a_package_that_is_not_there_is_told_at_the_start(monkeypatch, name):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(
        ConfigError, match=rf"^tracking: {name} is not installed here; pip install 'pada-ray\[tracking\]'"
    ):
        check_tracking(config_with(name))


def test_wandb_needs_a_key_or_to_be_offline(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    for variable in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    file = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(file))
    with pytest.raises(ConfigError, match="wandb has no key here"):
        check_tracking(config_with("wandb"))
    file.write_text("machine api.wandb.ai login user password secret")
    file.chmod(0o600)
    check_tracking(config_with("wandb"))
    file.unlink()
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    check_tracking(config_with("wandb"))
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.setenv("WANDB_MODE", "offline")
    check_tracking(config_with("wandb"))


@pytest.mark.parametrize("status", ENDS)
def test_wandb_is_told_of_a_failure_only_where_a_run_has_failed(tmp_path, monkeypatch, status):
    class Run:
        def __init__(self):
            self.summary, self.codes = {"status": "paused"}, []

        def define_metric(self, *_, **__):
            pass

        def finish(self, exit_code):
            self.codes.append(exit_code)

    kept = Run()
    stub = SimpleNamespace(init=lambda **_: kept, Settings=dict)
    monkeypatch.setitem(sys.modules, "wandb", stub)
    tracker = tracking.WandB(config_with("wandb"), Folder(str(tmp_path)))
    assert kept.summary["status"] == "running"  # whatever it was when the run was left
    assert status in tracking._ENDS.values()
    tracker.end(status, None)
    assert (kept.summary["status"], kept.codes) == (status, [1 if status == "failed" else 0])


def test_an_unknown_tracker_is_a_wrong_config():
    with pytest.raises(ConfigError, match="tracking"):
        config_with("notebook")

"""The three trackers' own libraries, each in its local or offline mode, told a run that fails and goes on."""

from __future__ import annotations

import time
from datetime import datetime, timezone

import pytest

from pada_ray.config import check_config
from pada_ray.runs.event_log import Event
from pada_ray.runs.state import RunState, Score
from pada_ray.runs.tracking import Tracking
from pada_ray.storage import Folder
from pada_ray.student.fine_tune import REPORT, FineTuneReport

LOSSES = (1.5, 0.5)
FAILURES = {"base": 20, "iteration-0": 10, "iteration-1": 5}
MISSING = "{} is not installed; pip install -e '.[tracking]'"


def tell(tmp_path, name, models, end, best=None):
    """Tells the tracker `name` of models that are made and evaluated, as a run does, and how the run ends."""
    folder = Folder(str(tmp_path / "run"))
    config = check_config({"name": "a-run", "data": {"demo": {}}, "tracking": [name]}, "test")
    tracking = Tracking(config, folder.url)

    def event(what, stage="s", **figures):
        tracking(Event(time=datetime.now(timezone.utc), event=what, stage=stage, figures=figures))

    state = RunState(name="a-run")
    for model in models:
        report = FineTuneReport(job="j", samples=8, left_out=0, steps=2, final_loss=0.5, losses=LOSSES)
        folder.write_yaml(f"{model}/adapter/{REPORT}", report.model_dump(mode="json"))
        state.scores[model] = {"val": Score(samples=20, failures=FAILURES[model], truncated=0)}
        state.counts[model] = {"accepted": 4}
        folder.write_text("state.json", state.model_dump_json())
        if model != "base":
            event("stage ended", f"{model}: fine-tuning", seconds=1)
        event("model evaluated", model=model, val=0.5)
    event(end, **({"best": best} if best else {}))


def tell_a_run_in_two_parts(tmp_path, name):
    tell(tmp_path, name, ["base", "iteration-0"], "run failed")
    tell(tmp_path, name, ["iteration-1"], "run ended", best="iteration-1")


def test_tensorboard_keeps_event_files(tmp_path):
    pytest.importorskip("tensorboard", reason=MISSING.format("tensorboard"))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tell_a_run_in_two_parts(tmp_path, "tensorboard")
    kept = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert [(e.step, e.value) for e in kept.Scalars("accuracy/val")] == [(0, 0), (1, 50), (2, 75)]
    assert [(e.step, e.value) for e in kept.Scalars("loss/iteration-1")] == [(1, 1.5), (2, 0.5)]


def test_wandb_keeps_files_while_it_is_offline(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason=MISSING.format("wandb"))
    monkeypatch.setenv("WANDB_MODE", "offline")
    tell_a_run_in_two_parts(tmp_path, "wandb")
    first, second = sorted((tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb"))
    assert first.name == second.name  # of one record, which `wandb sync` puts together
    for file, texts in ((first, (b"loss/iteration-0", b"failed")), (second, (b"loss/iteration-1", b"best"))):
        wanted = (*texts, b"accuracy/val", b"counts/accepted")
        until = time.monotonic() + 60  # a process of its own writes it, and the run does not wait for that for ever
        while (lacks := [text for text in wanted if text not in file.read_bytes()]) and time.monotonic() < until:
            time.sleep(0.2)
        assert lacks == []


def test_mlflow_keeps_a_database_and_a_resumed_run_goes_on_in_its_record(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason=MISSING.format("mlflow"))
    for package in ("sqlalchemy", "alembic"):
        pytest.importorskip(package, reason=MISSING.format(package))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    tell_a_run_in_two_parts(tmp_path, "mlflow")
    client = mlflow.tracking.MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    (kept,) = client.search_runs([client.get_experiment_by_name("pada-ray").experiment_id])
    assert (kept.info.run_name, kept.info.status, kept.data.tags["best"]) == ("run", "FINISHED", "iteration-1")
    assert kept.data.params["fine_tune.lora.r"] == "32"
    steps = {m.step: m.value for m in client.get_metric_history(kept.info.run_id, "accuracy/val")}
    assert steps == {0: 0, 1: 50, 2: 75}

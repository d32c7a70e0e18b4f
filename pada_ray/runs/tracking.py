"""Tells a run to MLflow, Weights & Biases or TensorBoard: config, losses, scores and counts. docs/tracking.md has what
each gets.

A run never waits for a tracker, and none can end it: what goes wrong there is said once in the log.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import logging
import math
import netrc
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime  # Python's own from 3.11 on
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from pada_ray.config import Config
from pada_ray.errors import ConfigError, one_line
from pada_ray.llm.chat import spent
from pada_ray.runs import run_files
from pada_ray.runs.event_log import Event
from pada_ray.runs.stage_names import parts_of
from pada_ray.runs.state import read_state
from pada_ray.storage import Folder
from pada_ray.student.fine_tune import REPORT

PROJECT = "pada-ray"  # MLflow's experiment, and W&B's project unless WANDB_PROJECT names one
_AT_THE_END_S = 60.0
_ENDS = {
    "run ended": "done",
    "run failed": "failed",
    "run paused": "paused",
    "run stopped": "stopped",
    "run waits for review": "waiting for review",
}
_STATUS_OF_MLFLOW = {"done": "FINISHED", "failed": "FAILED"}
_log = logging.getLogger(__name__)


class Tracker(Protocol):
    """One library's record of a run. A run that is resumed goes on in the same one."""

    def scores(self, model: int, figures: dict[str, float]) -> None:
        """Figures of a model: 0 is the base model, 1 vanilla fine-tuning, 2 the first iteration's."""

    def loss(self, model: str, by_epoch: dict[int, float]) -> None: ...
    def end(self, status: str, best: str | None) -> None: ...


class Tracking:
    """Takes a run's events and tells them, in a thread of its own, to the trackers that the config names."""

    def __init__(self, config: Config, folder: str):
        self._config = config
        self._folder = folder
        self._thread: ThreadPoolExecutor | None = None  # not before the first event, since none can be pickled
        self._trackers: dict[str, Tracker | None] = {}  # None where one has failed

    def __call__(self, event: Event) -> None:
        if not self._config.tracking:
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="tracking")
        told = self._thread.submit(self._tell, event)
        if event.event in _ENDS:
            with contextlib.suppress(NotInTime):
                told.exception(timeout=_AT_THE_END_S)

    def _tell(self, event: Event) -> None:
        for name in self._config.tracking:
            try:
                if name not in self._trackers:
                    self._trackers[name] = _TRACKERS[name](self._config, Folder(self._folder))
                tracker = self._trackers[name]
                if tracker is not None:
                    self._pass_on(event, tracker)
            except Exception as e:  # of three libraries and of the network
                self._trackers[name] = None
                _log.warning("tracking: %s failed, and the run goes on without it: %s", name, one_line(e))
        if event.event in _ENDS:
            self._trackers = {}  # a run that goes on opens them again

    def _pass_on(self, event: Event, tracker: Tracker) -> None:
        folder = Folder(self._folder)
        if event.event == "model evaluated":
            model = str(event.figures["model"])
            tracker.scores(_number(model), figures_of(folder, model))
        elif event.event == "stage ended" and parts_of(event.stage).kind == "fine-tuning":
            model = parts_of(event.stage).model
            report = folder.read_yaml(f"{model}/adapter/{REPORT}")
            tracker.loss(model, dict(enumerate(report.get("losses") or [report["final_loss"]], start=1)))
        elif event.event in _ENDS:
            tracker.end(_ENDS[event.event], event.figures.get("best"))


def figures_of(folder: Folder, model: str) -> dict[str, float]:
    """A model's scores on every split, in points, what its iteration counted, and what the run has spent so far."""
    state = read_state(folder)
    figures = {
        f"{what}/{split}": value
        for split, score in state.scores[model].items()
        for what, value in (("accuracy", 100 * score.accuracy), ("failures", score.failures))
        if not math.isnan(value)  # where no reply was scored
    }
    figures |= {f"counts/{name}": count for name, count in state.counts.get(model, {}).items()}
    total = spent(state.usage)
    figures |= {"llm/calls": total.calls, "llm/tokens": total.tokens}
    priced = [u.usd for u in state.usage if u.usd is not None]
    return figures | ({"llm/usd": sum(priced)} if priced else {})


def flat(values: dict[str, Any], path: str = "") -> dict[str, Any]:
    """A config's values by the paths of their keys, such as `fine_tune.lora.r`."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{path}{key}.") if isinstance(value, dict) and value else {f"{path}{key}": value}
    return found


def check_tracking(config: Config) -> None:
    """Raises ConfigError if a tracker of the config cannot work here."""
    for name in config.tracking:
        if importlib.util.find_spec(name) is None:  # each is called as its package
            raise ConfigError(f"tracking: {name} is not installed here; pip install 'pada-ray[tracking]'")
    if "wandb" in config.tracking and os.environ.get("WANDB_MODE", "online") == "online" and not _has_wandb_key():
        raise ConfigError("tracking: wandb has no key here; `wandb login`, or set WANDB_MODE=offline")


def _has_wandb_key() -> bool:
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    with contextlib.suppress(OSError, netrc.NetrcParseError):
        if netrc.netrc(os.environ.get("NETRC")).authenticators(host):
            return True
    return bool(os.environ.get("WANDB_API_KEY"))


class TensorBoard:
    """Writes event files into the run's folder."""

    def __init__(self, config: Config, folder: Folder):
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(folder.at("tensorboard"))
        rows = [f"| `{key}` | {value} |" for key, value in flat(config.model_dump(mode="json")).items()]
        self._writer.add_text("config", "\n".join(["| key | value |", "|---|---|", *rows]))

    def scores(self, model: int, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, model)
        self._writer.flush()

    def loss(self, model: str, by_epoch: dict[int, float]) -> None:
        for epoch, value in by_epoch.items():
            self._writer.add_scalar(f"loss/{model}", value, epoch)

    def end(self, status: str, best: str | None) -> None:
        self._writer.add_text("status", f"{status}, best {best}" if best else status)
        self._writer.close()


class MlFlow:
    """Tells the server in MLFLOW_TRACKING_URI; without one a database beside the run's folder."""

    def __init__(self, config: Config, folder: Folder):
        from mlflow.tracking import MlflowClient

        uri = os.environ.get("MLFLOW_TRACKING_URI")
        self._client = MlflowClient(tracking_uri=uri or f"sqlite:///{Path(folder.url).parent / 'mlflow.db'}")
        found = self._client.get_experiment_by_name(PROJECT)
        experiment = found.experiment_id if found else self._client.create_experiment(PROJECT)
        tag = _id_of(folder)
        runs = self._client.search_runs([experiment], f"tags.pada_run = '{tag}'", max_results=1)
        if runs:
            self._run = runs[0].info.run_id
            self._client.update_run(self._run, status="RUNNING")
            return
        name = run_files.run_name(folder.url)
        self._run = self._client.create_run(experiment, run_name=name, tags={"pada_run": tag}).info.run_id
        for key, value in flat(config.model_dump(mode="json")).items():
            self._client.log_param(self._run, key, str(value)[:500])

    def scores(self, model: int, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            self._client.log_metric(self._run, name, value, step=model)

    def loss(self, model: str, by_epoch: dict[int, float]) -> None:
        for epoch, value in by_epoch.items():
            self._client.log_metric(self._run, f"loss/{model}", value, step=epoch)

    def end(self, status: str, best: str | None) -> None:
        self._client.set_tag(self._run, "pada_status", status)
        if best:
            self._client.set_tag(self._run, "best", best)
        self._client.set_terminated(self._run, _STATUS_OF_MLFLOW.get(status, "KILLED"))


class WandB:
    """Tells W&B, or with WANDB_MODE=offline files in the run's folder, which `wandb sync` sends later."""

    def __init__(self, config: Config, folder: Folder):
        import wandb

        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=run_files.run_name(folder.url),
            id=_id_of(folder),
            resume="allow",
            dir=folder.url if folder.is_local else None,
            config=config.model_dump(mode="json"),
            settings=wandb.Settings(silent=True, console="off", x_disable_stats=True, x_disable_meta=True),
        )
        self._run.summary["status"] = "running"  # a run that goes on has the one with which it was left
        for names in ("accuracy", "failures", "counts", "llm"):
            self._run.define_metric(f"{names}/*", step_metric="model")
        self._run.define_metric("loss/*", step_metric="epoch")

    def scores(self, model: int, figures: dict[str, float]) -> None:
        self._run.log({"model": model, **figures})

    def loss(self, model: str, by_epoch: dict[int, float]) -> None:
        for epoch, value in by_epoch.items():
            self._run.log({"epoch": epoch, f"loss/{model}": value})

    def end(self, status: str, best: str | None) -> None:
        self._run.summary.update({"status": status, **({"best": best} if best else {})})
        # W&B calls a run finished or, with any other code, failed. A run that waits or was stopped did not fail.
        self._run.finish(exit_code=1 if status == "failed" else 0)


_TRACKERS: dict[str, Callable[[Config, Folder], Tracker]] = {
    "mlflow": MlFlow,
    "wandb": WandB,
    "tensorboard": TensorBoard,
}


def _number(model: str) -> int:
    return 0 if model == run_files.BASE else 1 + int(model.rpartition("-")[2])


def _id_of(folder: Folder) -> str:
    """The same for one run's folder at any time."""
    return hashlib.sha256(folder.url.encode()).hexdigest()[:16]

"""Fine-tune the student with LoRA by Ray Train: lines 2 and 24 of Algorithm 1.

Ray Train keeps a checkpoint per epoch and goes on from it when a worker or the whole run was lost. What each of its
workers does is in `fine_tune_worker.py`.
"""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pada_ray.config import FineTuneConfig, StudentConfig
from pada_ray.errors import ConfigError
from pada_ray.records import Record
from pada_ray.resources import cpus_for, gpus_for
from pada_ray.storage import Folder
from pada_ray.student.checkpoints import CHECKPOINTS, OwnCheckpoints
from pada_ray.student.fine_tune_worker import FineTuneJob, train_on_worker

REPORT = "fine_tune.yaml"  # file beside the adapter, written last


class FineTuneReport(Record):
    job: str  # the job's name
    samples: int
    left_out: int  # samples longer than student.max_length, and those that the student's template refuses
    steps: int
    final_loss: float  # mean over the last epoch
    losses: tuple[float, ...] = ()  # mean over each epoch
    curve: tuple[tuple[int, float], ...] = ()  # step, and the mean since the point before; runs of 0.1 have none
    workers: int = 1  # at the end


def fine_tune(job: FineTuneJob) -> FineTuneReport:
    """Trains an adapter on `job.training_set` and writes it with its report to `job.adapter`, loadable by plain peft.

    Blocks until training ends. A job of this name goes on from its last checkpoint, until `forget_checkpoints`. Raises
    what the workers raised when `max_failures` is used up.
    """
    result = _fit(job)
    if result.checkpoint is None:
        raise RuntimeError(f"fine-tuning {job.name} ended without a checkpoint")
    with result.checkpoint.as_directory() as checkpoint:
        return _write_adapter(job, Path(checkpoint) / "checkpoint", result.metrics or {})


def fine_tune_here(job: FineTuneJob) -> FineTuneReport:
    """As `fine_tune`, for a job with one worker, in this process: by Ray Train's local mode."""
    from ray import train
    from ray.train.torch import TorchTrainer

    TorchTrainer(
        train_on_worker,
        train_loop_config={"job": job.model_dump_json(), "alone": True},
        scaling_config=train.ScalingConfig(num_workers=0),
    ).fit()
    own = OwnCheckpoints(Folder(job.run), job.name)
    with own.folder() as checkpoint:
        assert checkpoint is not None
        return _write_adapter(job, Path(checkpoint), own.figures() or {})


def _fit(job: FineTuneJob) -> Any:
    """Ray Train's result of training by workers of their own."""
    # Workers stay in the working folder, from which a relative student.model counts.
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    # The report of an epoch waits until it is asked for: every 2 s unless told otherwise, which is more than a small
    # model takes for an epoch.
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")
    from ray import train
    from ray.train.torch import TorchTrainer

    gpus = gpus_for(job.settings.gpus_per_worker)
    fewest, most = job.settings.workers
    storage_path, storage_filesystem = Folder(job.run).for_arrow(CHECKPOINTS)
    resources = {"CPU": cpus_for(job.settings.cpus_per_worker)} | ({"GPU": gpus} if gpus else {})
    return TorchTrainer(
        train_on_worker,
        train_loop_config={"job": job.model_dump_json(), "alone": False},
        scaling_config=train.ScalingConfig(
            num_workers=fewest if fewest == most else (fewest, most),
            use_gpu=gpus > 0,
            resources_per_worker=resources,
        ),
        run_config=train.RunConfig(
            name=job.name,
            storage_path=storage_path,
            storage_filesystem=storage_filesystem,
            failure_config=train.FailureConfig(max_failures=job.settings.max_failures),
            checkpoint_config=train.CheckpointConfig(num_to_keep=1),
        ),
    ).fit()


def _write_adapter(job: FineTuneJob, checkpoint: Path, figures: dict[str, Any]) -> FineTuneReport:
    """Writes the adapter in a folder of transformers' Trainer, and the report from the `figures` of its last epoch."""
    run = Folder(job.run)
    for file in sorted(checkpoint.glob("adapter_*")):
        content = file.read_bytes()
        run.write_bytes(f"{job.adapter}/{file.name}", _in_order(content) if file.suffix == ".json" else content)
    report = FineTuneReport(
        job=job.name,
        samples=figures["samples"],
        left_out=figures["left_out"],
        steps=figures["steps"],
        final_loss=figures["loss"],
        losses=figures["losses"],
        curve=figures.get("curve", ()),
        workers=figures["workers"],
    )
    run.write_yaml(f"{job.adapter}/{REPORT}", report.model_dump())
    return report


def _in_order(config: bytes) -> bytes:
    """peft writes the names of modules in the order of a set, which is another one in every process."""
    values = json.loads(config)
    if isinstance(values.get("target_modules"), list):
        values["target_modules"].sort()
    return json.dumps(values, indent=2).encode()


def forget_checkpoints(job: FineTuneJob) -> None:
    """Removes what the job would go on from. It is over, and its stage is marked as finished."""
    Folder(job.run).remove(f"{CHECKPOINTS}/{job.name}")


class Adapter:
    """The folder of an adapter in a run's folder, with the report of its training. `fine_tune` writes it."""

    def __init__(self, run: Folder, path: str):
        self.path = path
        self._run = run

    def save(self, report: FineTuneReport) -> None:
        """It is there already."""

    def load(self) -> FineTuneReport:
        return FineTuneReport.model_validate(self._run.read_yaml(f"{self.path}/{REPORT}"))


def check_fine_tuning(student: StudentConfig, settings: FineTuneConfig, gpu: bool | None) -> None:
    """Raises ConfigError unless the packages that the config asks for are there, and a GPU where it needs one.

    `gpu` says whether there is one; None: it may come when it is asked for, as on an autoscaling cluster.
    """
    if settings.deepspeed is not None and find_spec("deepspeed") is None:
        raise ConfigError("fine_tune.deepspeed: deepspeed is not installed here; leave the key out for DDP")
    if student.quantization is None:
        return
    if find_spec("bitsandbytes") is None:
        raise ConfigError("student.quantization: 4bit needs bitsandbytes; pip install 'pada-ray[4bit]'")
    if gpu is False:
        raise ConfigError("student.quantization: 4bit needs a GPU, and this machine has no GPU that torch can use")
    if settings.gpus_per_worker == 0:
        raise ConfigError("student.quantization: 4bit needs a GPU, and fine_tune.gpus_per_worker is 0")
    if settings.deepspeed is not None and settings.deepspeed["zero_optimization"]["stage"] == 3:
        raise ConfigError("student.quantization: 4bit weights cannot be split among workers; take zero2, zero1 or DDP")

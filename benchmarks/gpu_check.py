"""Fine-tunes and evaluates the demo student on this machine's GPUs in every way there is, and prints what came out.

    python benchmarks/gpu_check.py

Exit code 2: there is no GPU. 1: some way failed. Ways whose packages are not installed are shown as such.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pada_ray.config import EvaluationConfig, FineTuneConfig, StudentConfig
from pada_ray.demo.domain import splits
from pada_ray.errors import ConfigError
from pada_ray.records import Sample
from pada_ray.runs import run_files
from pada_ray.storage import Folder
from pada_ray.student.evaluation import evaluate
from pada_ray.student.evaluation_job import EvaluationJob
from pada_ray.student.fine_tune import FineTuneJob, check_fine_tuning, fine_tune

SAMPLES = 300
BATCH = 8
GPUS = 1  # for each worker


class Way(NamedTuple):
    name: str
    student: dict[str, Any]
    settings: dict[str, Any]


WAYS = [
    Way("DDP", {}, {}),
    Way("DDP, float32", {"dtype": "float32"}, {}),
    *(Way(name, {}, {"deepspeed": name}) for name in ("zero1", "zero2", "zero3", "zero3_offload")),
    Way("4bit", {"quantization": "4bit"}, {}),
    Way("4bit, zero2", {"quantization": "4bit"}, {"deepspeed": "zero2"}),
]


def main() -> int:
    import torch

    if not torch.cuda.is_available():
        print("gpu-check: torch sees no GPU on this machine, so nothing was checked")
        return 2
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    ray.init(address="local", dashboard_host="127.0.0.1", log_to_driver=False)
    try:
        return check_all(WAYS, names)
    finally:
        ray.shutdown()


def check_all(ways: Sequence[Way], devices: Sequence[str]) -> int:
    """Prints the table of what came out, with one worker and with as many as there are devices; 1 if anything
    failed."""
    table = Table(title=f"The demo student on {', '.join(devices)}", title_justify="left")
    for column in (
        "way",
        "workers",
        "mean loss of each epoch",
        "val accuracy (%)",
        "fine-tuning (s)",
        "evaluation (s)",
    ):
        table.add_column(column)
    most = max(n for n in (1, 2, 4, 8) if n <= len(devices))
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        run = Folder(folder)
        drawn = splits(seed=0, train_size=SAMPLES, eval_size=100)
        for split in ("train", "val"):
            run.write_records(run_files.split(split), [Sample.model_validate(s) for s in drawn[split]])
        for way in ways:
            for workers in sorted({1, most}):
                try:
                    row = check(run, way, workers)
                except ConfigError as e:
                    row = [escape(f"left out: {e}")]
                except Exception as e:  # one way's failure is a line of the table
                    failed = True
                    row = [escape(f"failed: {type(e).__name__}: {' '.join(str(e).split())[-600:]}")]
                table.add_row(way.name, str(workers), *row)
    Console().print(table)
    return int(failed)


def check(run: Folder, way: Way, workers: int) -> list[str]:
    """Losses of the epochs, accuracy on val, and the seconds that both took."""
    student = StudentConfig.model_validate({"model": "demo", "max_length": 512} | way.student)
    settings = FineTuneConfig.model_validate(
        {"learning_rate": 4e-3, "batch_size": BATCH, "workers": workers, "gpus_per_worker": GPUS, "max_failures": 0}
        | way.settings
    )
    check_fine_tuning(student, settings, gpu=True)
    adapter = f"{way.name}-{workers}".replace(", ", "-").replace(" ", "-")
    began = time.monotonic()
    report = fine_tune(
        FineTuneJob(
            run=run.url,
            training_set=run_files.split("train"),
            adapter=adapter,
            previous_adapter=None,
            name=adapter,
            student=student,
            settings=settings,
            seed=0,
        )
    )
    trained = time.monotonic()
    predictions = evaluate(
        EvaluationJob(
            run=run.url,
            splits={"val": run_files.split("val")},
            adapter=adapter,
            student=student,
            settings=EvaluationConfig(max_new_tokens=48, gpus_per_worker=GPUS),
        )
    )
    evaluated = time.monotonic()
    right = sum(not p.failed for p in predictions) / len(predictions)
    losses = " ".join(f"{loss:.3f}" for loss in report.losses)
    return [losses, f"{100 * right:.1f}", f"{trained - began:.1f}", f"{evaluated - trained:.1f}"]


if __name__ == "__main__":
    sys.exit(main())

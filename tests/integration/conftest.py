"""One small Ray for all tests of this folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import ray

from pada_ray.config import StudentConfig
from pada_ray.demo.domain import splits
from pada_ray.records import Sample
from pada_ray.runs import run_files
from pada_ray.storage import Folder


@pytest.fixture(scope="session", autouse=True)
def cluster():
    # What runs beside these tests must not starve Ray's workers.
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    ray.init(
        address="local",
        num_cpus=2,
        dashboard_host="127.0.0.1",
        log_to_driver=False,
        # Workers find the tasks of `lost_workers` there.
        runtime_env={"env_vars": {"PYTHONPATH": str(Path(__file__).parent)}},
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def student() -> StudentConfig:
    return StudentConfig(model="demo", max_length=512, dtype="float32")


@pytest.fixture
def run(tmp_path) -> Folder:
    """A run's folder with some demo data in it."""
    folder = Folder(str(tmp_path / "run"))
    drawn = splits(seed=0, train_size=24, eval_size=20)
    for split in ("train", "val", "test"):
        folder.write_records(run_files.split(split), [Sample.model_validate(s) for s in drawn[split]])
    return folder

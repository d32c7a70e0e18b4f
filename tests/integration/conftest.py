"""One small Ray for all tests of this folder that one process runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import ray

from pada_ray.config import StudentConfig
from pada_ray.storage import Folder

UNIT = str(Path(__file__).parents[1] / "unit")
sys.path.append(UNIT)  # where tests find what they share
from builders import write_demo  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def cluster():
    # What runs beside these tests must not starve Ray's workers.
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    ray.init(
        address="local",
        num_cpus=2,
        dashboard_host="127.0.0.1",
        log_to_driver=False,
        # Workers find there what tests define, and what they share.
        runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), UNIT])}},
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def student() -> StudentConfig:
    return StudentConfig(model="demo", max_length=512, dtype="float32")


@pytest.fixture
def run(tmp_path) -> Folder:
    """A run's folder with some demo data in it."""
    return write_demo(Folder(str(tmp_path / "run")), 24, 20)

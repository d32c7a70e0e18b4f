import sys

import pytest
from hypothesis import HealthCheck, settings

from pada_ray.storage import Folder

# On a busy machine one drawn example may take long.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.fixture(autouse=True)
def without_ray():
    """The logic needs no cluster: nothing that a unit test touches may import Ray."""
    known_before = "ray" in sys.modules  # where integration tests ran first
    yield
    assert known_before or "ray" not in sys.modules


@pytest.fixture
def folder(tmp_path):
    """An empty folder of runs or of a run."""
    return Folder(str(tmp_path))

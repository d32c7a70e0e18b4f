import sys

import pytest


@pytest.fixture(autouse=True)
def without_ray():
    """The logic needs no cluster: nothing that a unit test touches may import Ray."""
    known_before = "ray" in sys.modules  # where integration tests ran first
    yield
    assert known_before or "ray" not in sys.modules

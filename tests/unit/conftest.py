import sys

import pytest


@pytest.fixture(scope="session", autouse=True)
def without_ray():
    """The logic needs no cluster: nothing that a unit test touches may import Ray."""
    yield
    assert "ray" not in sys.modules

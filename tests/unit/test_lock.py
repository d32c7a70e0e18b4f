import contextlib
import subprocess
import sys

import pytest

from jobs.local.lock import locked
from pada_ray.errors import ConfigError

HOLDER = """
import sys
from jobs.local.lock import locked
with locked(sys.argv[1:]):
    print("held", flush=True)
    input()
"""


@contextlib.contextmanager
def held(*runs):
    """While another process is at work on these runs."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, *runs], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout.readline() == "held\n"
        yield
        other.kill()


def test_two_processes_never_work_on_one_run(tmp_path):
    runs = [str(tmp_path / name) for name in ("a", "b", "c")]
    for run in runs:
        (tmp_path / run).mkdir()
    with held(*runs[:2]):
        with locked([runs[2], "memory://runs/d"]):
            pass
        with pytest.raises(ConfigError, match=rf"^{runs[1]}: another process is at work on this run"), locked(runs[1:]):
            pass
    with locked(runs):
        pass

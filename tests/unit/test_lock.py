import contextlib
import errno
import os
import resource
import subprocess
import sys

import pytest

from jobs.local.lock import is_at_work, locked
from pada_ray.errors import ConfigError, StorageError

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


def test_more_runs_than_files_may_be_open_are_told_what_to_do(tmp_path):
    runs = [str(tmp_path / str(i)) for i in range(300)]
    for run in runs:
        os.mkdir(run)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        with pytest.raises(StorageError, match=r": Too many open files; each .* raise `ulimit -n`$"), locked(runs):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    with locked(runs[:10]):  # those that were locked are free again
        pass


def test_a_folder_that_cannot_be_opened_is_told(tmp_path, monkeypatch):
    def refuses(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", refuses)
    with pytest.raises(StorageError, match=rf"^{tmp_path}: Permission denied$"), locked([str(tmp_path)]):
        pass
    with pytest.raises(StorageError, match=rf"^{tmp_path}: Permission denied$"):
        is_at_work(str(tmp_path))

"""Ray's token, before there is a Ray, and where what Ray prints goes."""

from __future__ import annotations

import os
import pty
import stat
import subprocess
import sys

import pytest

from jobs.local.ray_session import NoCluster, keep_token, open_log
from pada_ray.errors import StorageError


@pytest.fixture
def token(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / ".ray" / "auth_token"


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_token_is_made_once_for_this_user_alone(token):
    keep_token()
    first = token.read_text()
    keep_token()
    assert (len(first), token.read_text(), mode(token)) == (64, first, 0o600)
    assert os.listdir(token.parent) == ["auth_token"]


def test_a_token_that_others_may_read_is_closed_to_them(token, tmp_path, monkeypatch):
    token.parent.mkdir()
    token.write_text("as ray get-auth-token left it")
    token.chmod(0o644)
    keep_token()
    assert (token.read_text(), mode(token)) == ("as ray get-auth-token left it", 0o600)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    elsewhere.chmod(0o640)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(elsewhere))
    keep_token()
    assert (elsewhere.read_text(), mode(elsewhere)) == ("mine", 0o600)


def test_a_token_in_the_environment_needs_no_file(token, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "given")
    keep_token()
    assert not token.exists()


def test_a_token_that_cannot_be_kept_is_said_in_one_line(token):
    token.parent.write_text("a file where the folder should be")
    with pytest.raises(NoCluster, match=r"auth_token: Ray's token cannot be kept from other users: .*; see to it by"):
        keep_token()


RAW_LINES = """
import os, subprocess, sys, types
sys.modules["ray"] = types.SimpleNamespace(shutdown=lambda: os.write(2, b"core_worker.cc: shutting down\\n"))
from rich.console import Console
from jobs.local import ray_session
ray_session._start = lambda verbose: os.write(2, b"task_manager.cc: task failed\\n")
console = Console(file=sys.stdout)
with ray_session.connected(sys.argv[2] == "verbose", sys.argv[1], "stopped"):
    print("a library's line", file=sys.stderr, flush=True)
    subprocess.run(["sh", "-c", "echo raylet >&2"])
    console.print("the live line")
print("error: in one line", file=sys.stderr)
"""
RAYS_OWN = ("core_worker.cc", "task_manager.cc", "a library's line", "raylet")


@pytest.mark.parametrize("verbose", [False, True])
def test_raw_lines_of_ray_go_to_the_log_and_never_to_the_terminal(tmp_path, verbose):
    log = tmp_path / "driver.log"
    log.touch()
    command = [sys.executable, "-c", RAW_LINES, str(log), "verbose" if verbose else ""]
    path = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, env=path, check=True)
    assert done.stdout == "the live line\n"
    assert done.stderr.endswith("error: in one line\n")
    for line in RAYS_OWN:
        assert (line in done.stderr) == verbose
        assert (line in log.read_text()) == (not verbose)


def test_a_log_on_a_full_disk_drops_what_has_no_room(tmp_path):
    with open_log("/dev/full") as log:
        print("what Ray prints " * 1000, file=log, flush=True)
        print("and what is still to be written at the end", file=log)
    kept = tmp_path / "a folder" / "of its own" / "log"
    with open_log(str(kept)) as log:
        print("kept: ä", file=log)
    assert kept.read_text(encoding="utf-8") == "kept: ä\n"


def test_a_log_on_a_disk_that_fails_drops_what_is_not_taken():
    device, inner = pty.openpty()
    with open_log(os.ttyname(inner)) as log:
        print("what Ray prints", file=log, flush=True)
        os.close(device)  # from now on a write is an I/O error
        print("and what is still to be written at the end", file=log, flush=True)
    os.close(inner)


@pytest.mark.parametrize(("log", "named"), [("file/driver.log", "file"), ("file/deep/driver.log", "file"), (".", ".")])
def test_a_log_that_there_cannot_be_is_told_with_what_to_do(tmp_path, log, named):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=rf"^{tmp_path / named}.*: .*; with --verbose no log is written$"):
        open_log(str(tmp_path / log))

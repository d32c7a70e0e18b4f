from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pada_ray import sandbox
from pada_ray.sandbox import run_python, run_python_many


def test_a_program_that_reaches_its_end_passes():
    result = run_python("print('hello')\nassert 1 + 1 == 2")
    assert result == (True, "ran to its end", "hello\n")


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("x = 1\nassert x == 2", "AssertionError in line 2: assert x == 2"),
        ("raise ValueError('first\\nsecond')", "ValueError: first second in line 1"),
        ("def f(:", "SyntaxError"),
        ("class E(Exception):\n    def __str__(self): raise self\nraise E", "E in line 3"),
        ("input()", "EOFError"),
        ("import sys; sys.exit(0)", "exited before its end"),
        ("raise SystemExit", "exited before its end"),
        ("import os; os._exit(0)", "process ended before"),
        ("import ctypes; ctypes.string_at(0)", "process ended before"),
        ("import os; os.kill(os.getpid(), 9); os.abort()", "process ended before"),
        ("x = bytearray(10**10)", "MemoryError"),
        ("def f(): f()\nf()", "RecursionError"),
        ("open('big', 'wb').write(bytes(10**8))", "File too large"),
        ("files = [open('f', 'w') for _ in range(100)]", "Too many open files"),
    ],
)
def test_a_program_that_does_not_fails_with_its_reason(program, reason):
    result = run_python(program)
    assert not result.passed
    assert reason in result.reason and "\n" not in result.reason


def test_a_pass_cannot_be_claimed_on_the_way_out():
    claim = "import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'+\\n')\n    except OSError: pass\nos._exit(0)"
    assert not run_python(claim).passed


def test_an_endless_loop_is_stopped():
    for program in ("while True: pass", "import time; time.sleep(60)"):
        began = time.monotonic()
        result = run_python(program, timeout=0.5)
        assert (result.passed, result.reason) == (False, "did not end within 0.5 s")
        assert time.monotonic() - began < 3


def test_a_flood_of_output_is_stopped():
    result = run_python("while True: print('x' * 1000)")
    assert (result.passed, len(result.output)) == (False, sandbox.MAX_OUTPUT)
    assert "of output" in result.reason


def test_a_thread_does_not_keep_a_passed_program_alive():
    began = time.monotonic()
    assert run_python("import threading, time\nthreading.Thread(target=time.sleep, args=(30,)).start()").passed
    assert time.monotonic() - began < 5


def test_nothing_of_ours_is_seen(monkeypatch):
    monkeypatch.setenv("PADA_SECRET", "s3cret")
    program = """
import os, sys
assert "PADA_SECRET" not in os.environ
assert os.listdir() == []
assert "pada_ray" not in sys.modules
assert sys.stdin.read() == ""
print(os.getcwd())
"""
    result = run_python(program)
    assert result.passed, result.reason
    assert not Path(result.output.strip()).exists()


def test_the_environment_of_other_processes_is_not_seen(monkeypatch):
    if not sandbox.namespaces():
        pytest.skip("needs namespaces")
    program = f"import os\nassert not os.path.exists('/proc/{os.getpid()}/environ')"
    assert run_python(program).passed


def test_there_is_no_network():
    if not sandbox.namespaces():
        pytest.skip("needs namespaces")
    result = run_python("import socket; socket.create_connection(('127.0.0.1', 9), 1)")
    assert "unreachable" in result.reason


BACKGROUND = """
import os, time
if os.fork() == 0:
    SESSION
    for _ in range(40):
        open({path!r}, "a").write("x")
        time.sleep(0.05)
    os._exit(0)
time.sleep(0.3)
"""


@pytest.mark.parametrize("session", ["pass", "os.setsid()"])
def test_a_child_dies_with_the_program(tmp_path, session):
    if session != "pass" and not sandbox.namespaces():
        pytest.skip("needs namespaces")
    path = tmp_path / "alive"
    assert run_python(BACKGROUND.replace("SESSION", session).format(path=str(path))).passed
    time.sleep(0.2)
    size = path.stat().st_size
    time.sleep(0.3)
    assert 0 < path.stat().st_size == size


def test_without_namespaces_it_still_runs_and_stops(monkeypatch):
    monkeypatch.setattr(sandbox, "namespaces", tuple)
    assert run_python("assert True").passed
    assert not run_python("import os; os._exit(0)").passed
    assert not run_python("while True: pass", timeout=0.5).passed


def test_many_run_side_by_side_and_in_order():
    programs = [f"assert {i} % 2" for i in range(8)]
    assert [result.passed for result in run_python_many(programs)] == [bool(i % 2) for i in range(8)]
    assert run_python_many([]) == []


def test_no_file_descriptor_is_left_open():
    run_python("")
    before = len(os.listdir("/proc/self/fd"))
    run_python("")
    run_python("while True: pass", timeout=0.2)
    assert len(os.listdir("/proc/self/fd")) == before

"""How a command that is at work ends by Ctrl-C, SIGTERM and a terminal that closes: in a process of its own, with a
stand-in for Ray alone."""

import os
import pty
import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import sys, time, types
sys.modules["ray"] = types.SimpleNamespace(shutdown=lambda: say("shut down"))
from jobs.local import ray_session
log = open(sys.argv[1], "a", buffering=1)
say = lambda text: log.write(text + "\\n")
ray_session._start = lambda verbose: say("started")
with ray_session.connected(True, "driver.log", "stopped; continue with `pada resume runs/demo`"):
    try:
        say("working")
        time.sleep(30)
    except KeyboardInterrupt:
        say("waiting")
        print("one line to whatever is there", flush=True)
        try:
            time.sleep(float(sys.argv[2]))
        except KeyboardInterrupt:
            say("at once")
        else:
            say("waited")
        raise
"""


class AtWork:
    def __init__(self, folder, waits, terminal=False, **options):
        self.log = folder / "log"
        self.log.touch()
        if terminal:
            self.terminal, inner = pty.openpty()
            options |= {"stdin": inner, "stdout": inner, "stderr": inner, "start_new_session": True}
        else:
            options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(self.log), str(waits)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            **options,
        )
        self.until("working")

    def until(self, line):
        deadline = time.monotonic() + 30
        while line not in self.log.read_text().splitlines():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)

    def ends(self):
        """Its exit code, and what it did."""
        return self.process.wait(20), self.log.read_text().splitlines()[2:]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 1), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["INT", "TERM", "HUP"]
)
def test_the_first_signal_ends_the_work_and_what_is_under_way_is_waited_for(tmp_path, number, code):
    work = AtWork(tmp_path, waits=0.3)
    work.process.send_signal(number)
    ended, did = work.ends()
    assert did == ["waiting", "waited", "shut down"]
    assert ended == code or (number == signal.SIGINT and ended == -signal.SIGINT)
    told = "error: stopped; continue with `pada resume runs/demo`\n"
    assert (told in work.process.stderr.read()) == (number == signal.SIGTERM)  # others see it from the command


def test_a_signal_waits_for_what_is_under_way_with_standard_error_on_a_full_disk(tmp_path):
    with open("/dev/full", "w") as full:
        work = AtWork(tmp_path, waits=0.3, stderr=full)
        work.process.send_signal(signal.SIGTERM)
        assert work.ends() == (143, ["waiting", "waited", "shut down"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["INT", "TERM", "HUP"])
def test_a_second_one_ends_at_once(tmp_path, number):
    work = AtWork(tmp_path, waits=30)
    work.process.send_signal(number)
    work.until("waiting")
    work.process.send_signal(number)
    assert work.ends()[1] == ["waiting", "at once", "shut down"]


def test_a_terminal_that_closes_stops_the_run_and_not_the_waiting(tmp_path):
    work = AtWork(tmp_path, waits=0.3, terminal=True)
    os.close(work.terminal)
    work.process.send_signal(signal.SIGHUP)
    assert work.ends() == (129, ["waiting", "waited", "shut down"])


def test_nohup_is_respected(tmp_path):
    work = AtWork(tmp_path, waits=0.1, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    work.process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert work.process.poll() is None
    work.process.send_signal(signal.SIGTERM)
    assert work.ends() == (143, ["waiting", "waited", "shut down"])


LOSES = """
import signal, sys, types
sys.modules["ray"] = types.SimpleNamespace(shutdown=lambda: None)
from jobs.local import ray_session
ray_session._start = lambda verbose: None

class Finalized:
    def __del__(self):
        signal.raise_signal(int(sys.argv[1]))

with ray_session.connected(True, "driver.log", "stopped") as interrupt:
    interrupt.check()
    Finalized()
    print("went on", flush=True)
    interrupt.check()
    print("and on", flush=True)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["TERM", "HUP"])
def test_a_signal_that_python_loses_in_a_finalizer_ends_the_work_at_the_next_check(number, code):
    path = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", LOSES, str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True, env=path, timeout=60)
    assert done.stdout == "went on\n"
    assert done.returncode == code

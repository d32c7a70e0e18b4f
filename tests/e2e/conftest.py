"""Real commands on small runs of the demo."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from filelock import FileLock

from pada_ray.runs.state import RunState
from pada_ray.teacher.access_log import read_access_log

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/unit"))  # where tests find what they share
PADA = str(Path(sys.executable).parent / "pada")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SMALL = {
    "data.regime": 40,
    "data.eval_samples": 20,
    "iterations": 1,
    "fine_tune.epochs": 2,
    "pattern_analysis.max_clusters": 3,
}


def settings(**values: object) -> list[str]:
    """--set arguments; dots of a key are written as two underscores."""
    merged = SMALL | {key.replace("__", "."): value for key, value in values.items()}
    return [part for key, value in merged.items() for part in ("--set", f"{key}={value}")]


def pada(
    *args: str, cwd: Path, check: bool = True, timeout: float = 580, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    own = environment() | (env or {})
    done = subprocess.run([PADA, *args], cwd=cwd, capture_output=True, text=True, timeout=timeout, env=own)
    if check and done.returncode:
        raise AssertionError(f"pada {' '.join(args)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


def environment() -> dict[str, str]:
    own = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    # Of two runs at a time neither waits until the other is done, and nobody for a Hub that cannot be reached.
    return own | {"COLUMNS": "120", "RAY_worker_niceness": "0", "HF_HUB_OFFLINE": "1"}


def heed_signals() -> None:
    """In a new process: what the tests were started from, as by nohup or in the background, may ignore them."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that are given the most time begin first, so that at the end no process waits for another's long one."""

    def given(item: pytest.Item) -> float:
        mark = item.get_closest_marker("timeout")
        return mark.args[0] if mark else 0

    items.sort(key=given, reverse=True)


class Started:
    """A `pada` process that can be watched and killed. All that it starts carries a mark in its environment."""

    def __init__(self, *args: str, cwd: Path, env: dict[str, str] | None = None):
        self._mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [PADA, *args],
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment() | (env or {}) | {"PADA_TEST_MARK": self._mark},
            preexec_fn=heed_signals,
        )

    def wait_until(self, condition: Callable[[], bool], what: str, timeout: float = 300, poll: float = 0.02) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            if self.process.poll() is not None:
                raise AssertionError(f"ended before {what}:\n{self.process.communicate()[0]}")
            assert time.monotonic() < deadline, f"no {what} within {timeout} s"
            time.sleep(poll)

    def below(self, title: str = "") -> list[psutil.Process]:
        """What this process started and is still alive, with titles that begin so, such as `ray::Orchestrator`."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("PADA_TEST_MARK") == self._mark and process.pid != self.process.pid:
                    found += [process] if " ".join(process.cmdline()).startswith(title) else []
        return found

    def kill(self, *, driver_only: bool = False) -> None:
        """kill -9 to this process and all that it started, as of a machine that goes down. With the driver alone, the
        rest goes on with the run for some seconds before it notices, and is waited for. Ray's own node agents
        hold nothing of the run and take a minute or two."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        for process in [] if driver_only else self.below():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        agents = {p.pid for title in ("ray::RuntimeEnvAgent", "ray::DashboardAgent") for p in self.below(title)}
        _, alive = psutil.wait_procs([p for p in self.below() if p.pid not in agents], timeout=90)
        assert not alive, f"left behind: {[p.name() for p in alive]}"

    def finish(self, timeout: float = 580) -> str:
        out, _ = self.process.communicate(timeout=timeout)
        assert self.process.returncode == 0, out
        return out


def wait_until(condition: Callable[[], object], what: str, timeout: float = 240) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {timeout} s"
        time.sleep(0.2)


def sent_replies(log: Path, *, only_prompts: bool = False) -> dict[str, list[float]]:
    """When a teacher sent each of its replies, by the question, as its log has it; `only_prompts`: those to prompts of
    the project."""
    sent = defaultdict(list)
    for access in read_access_log(log):
        if access.status == 200 and access.sent and (access.prompt or not only_prompts):
            sent[access.content].append(access.time + access.seconds)
    return sent


def read_state(run: Path) -> RunState | None:
    file = run / "state.json"
    return RunState.model_validate_json(file.read_text()) if file.exists() else None


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run that nothing disturbed, one for all processes of these tests."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "uninterrupted"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            folder.mkdir()
            pada("run", str(ROOT / "configs/demo.yaml"), *settings(), cwd=folder)
    return folder / "runs" / "demo"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """For tests that are skipped where `CHROMIUM` or playwright is not there."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        # In a container, where tests often run, Chromium's own sandbox does not start.
        running = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()

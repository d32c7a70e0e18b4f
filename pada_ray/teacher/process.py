"""Runs the offline teacher as a subprocess of the caller."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from types import TracebackType

from pada_ray.config.teacher import TeacherSettings
from pada_ray.errors import EndpointError


class RunningTeacher:
    """A teacher in its own process. As a context manager it stops at the end of the block.

    `url` is the base URL that OpenAI clients expect, such as http://127.0.0.1:41234/v1; any key will do.
    """

    def __init__(self, process: subprocess.Popen[str], url: str):
        self._process = process
        self.url = url

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """Ends the process. Does nothing if it has ended."""
        _end(self._process)

    def __enter__(self) -> RunningTeacher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_teacher(
    settings: TeacherSettings | None = None, host: str = "127.0.0.1", port: int = 0, patience_s: float = 30
) -> RunningTeacher:
    """Starts the server and waits until it is healthy. Port 0 takes a free one.

    The process ends with its parent, however that ends: it watches its standard input, whose other end the
    system then closes. Raises EndpointError if the server is not up within `patience_s` seconds.
    """
    settings = settings or TeacherSettings()
    process = subprocess.Popen(
        [
            *[sys.executable, "-m", "pada_ray.teacher.server", "--host", host, "--port", str(port)],
            *["--settings", settings.model_dump_json(), "--end-with-stdin"],
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for its parent, which may still wait for replies
    )
    try:
        deadline = time.monotonic() + patience_s
        url = _first_line(process, patience_s)["url"]
        _await_health(url.removesuffix("/v1") + "/health", deadline)
    except BaseException:
        _end(process)
        raise
    return RunningTeacher(process, url)


def _first_line(process: subprocess.Popen[str], patience_s: float) -> dict[str, str]:
    # A thread, because not every system can read a pipe with a time limit.
    lines: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=lambda out: lines.append(out.readline()), args=(process.stdout,))
    reader.daemon = True
    reader.start()
    reader.join(patience_s)
    if not lines:
        raise EndpointError(f"the offline teacher did not start within {patience_s:g} s")
    if not lines[0]:
        raise EndpointError(f"the offline teacher exited with code {process.wait()} at its start; see its output above")
    started: dict[str, str] = json.loads(lines[0])
    return started


def _await_health(url: str, deadline: float) -> None:
    # An own opener, because a proxy from the environment must not come between two local processes.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        try:
            with opener.open(url, timeout=2):
                return
        except (urllib.error.URLError, OSError) as e:
            if time.monotonic() > deadline:
                raise EndpointError(f"the offline teacher does not answer at {url}: {e}") from e
            time.sleep(0.02)


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(BrokenPipeError):
        if process.stdin:
            process.stdin.close()
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()

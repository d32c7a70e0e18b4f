"""A real server in a process of its own, for tests that ask one."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("", 0))
        return free.getsockname()[1]


class LocalServer:
    """A command that takes `--host` and `--port`, and answers at `/health` when it is ready. As a context it waits for
    that, and ends the server behind it."""

    def __init__(self, command: list[str], log: Path, **env: str):
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        self.log = log
        command = [*command, "--host", "127.0.0.1", "--port", str(port)]
        with log.open("w") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=os.environ | env)

    def __enter__(self) -> Any:
        deadline = time.monotonic() + 300
        while True:
            try:
                urllib.request.urlopen(f"{self.address}/health", timeout=5)
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise AssertionError(f"it does not start: {self.log.read_text()[-2000:]}") from None
                time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self.process.kill()  # at SIGTERM it might finish the reply that it is at
        self.process.wait(timeout=20)

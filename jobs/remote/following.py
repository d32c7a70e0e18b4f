"""Follow a job on a cluster: print its log as it grows, reconnect when needed, and report how the job ended."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol, TextIO

from rich.console import Console

from jobs.local.ray_session import TERMINATED
from pada_ray.errors import PadaError
from pada_ray.printable import printable

SILENCE_S = 60.0  # reconnect after this long without output, because a dead connection may look alive
PATIENCE_S = 600.0
DETACHED = 130
ENDED = ("SUCCEEDED", "FAILED", "STOPPED")


class LostCluster(PadaError, ConnectionError):
    """The cluster stopped answering while a job was followed. The job may still be running."""

    exit_code = 1


class Client(Protocol):
    """The part of Ray's JobSubmissionClient that following needs."""

    def get_job_info(self, job_id: str) -> Any: ...
    def get_job_logs(self, job_id: str) -> str: ...
    def tail_job_logs(self, job_id: str) -> AsyncIterator[str]: ...


def follow(client: Client, job: str, address: str, console: Console, seen: int = 0) -> int:
    """Prints the job's log from character `seen` until the job ends, and returns its exit code. Ctrl-C stops following,
    not the job. Raises LostCluster."""
    try:
        details = Follower(client, job, address, console.print, seen=seen).to_the_end()
    except KeyboardInterrupt:
        console.print(
            f"detached; {job} goes on. Follow it again: pada attach {job} --address {address}; stop it: "
            f"RAY_AUTH_MODE=token ray job stop {job} --address {address}"
        )
        return DETACHED
    code = exit_code(details)
    console.print(f"{job}: {details.status.lower()}" + (f", exit code {code}" if code else ""))
    if details.status == "FAILED" and details.driver_exit_code is None and details.message:
        console.print(printable(" ".join(details.message.split())[:2000]), markup=False)
    return code


def exit_code(details: Any) -> int:
    """The exit code of a job that has ended: its own if Ray knows it."""
    if details.status == "SUCCEEDED":
        return 0
    if details.status == "STOPPED":
        return TERMINATED  # Ray stops a job by SIGTERM
    return details.driver_exit_code or 1


class Follower:
    """Prints one job's log and counts what is printed, because Ray sends a log from its beginning each time."""

    def __init__(
        self,
        client: Client,
        job: str,
        address: str,
        tell: Callable[[str], None],
        *,
        seen: int = 0,
        out: TextIO | None = None,
        pause: Callable[[float], None] = time.sleep,
        silence_s: float = SILENCE_S,
        patience_s: float = PATIENCE_S,
    ):
        self._client = client
        self._job = job
        self._address = address
        self._tell = tell
        self._seen = seen
        self._out = out or sys.stdout
        self._pause = pause
        self._silence_s = silence_s
        self._patience_s = patience_s

    def to_the_end(self) -> Any:
        """Returns Ray's details of the job once it has ended."""
        from aiohttp import ClientError

        lost_at: float | None = None
        while True:
            try:
                details = self._client.get_job_info(self._job)
                if lost_at is not None:
                    self._tell(f"{self._address} answers again")
                    lost_at = None
                if details.status in ENDED:
                    with contextlib.suppress(RuntimeError):  # the log may be gone with the node that held it
                        self._print(self._client.get_job_logs(self._job), 0)
                    return details
                asyncio.run(self._tail())
            except (ClientError, OSError, RuntimeError) as e:
                if "status code 404" in str(e):  # Ray does not know this job
                    raise
                if lost_at is None:
                    lost_at = time.monotonic()
                    self._tell(f"lost the connection to {self._address}; the job goes on, trying again")
                elif time.monotonic() - lost_at > self._patience_s:
                    raise LostCluster(
                        f"{self._address} has not answered for {self._patience_s:g} s; the job may still be running: "
                        f"pada attach {self._job} --address {self._address}"
                    ) from None
                self._pause(2)

    async def _tail(self) -> None:
        """Prints new output until the job or the connection ends, or there is none for `silence_s` seconds."""
        at = 0
        chunks = self._client.tail_job_logs(self._job)
        with contextlib.suppress(StopAsyncIteration, asyncio.TimeoutError):
            while True:
                chunk = await asyncio.wait_for(anext(chunks), self._silence_s)
                self._print(chunk, at)
                at += len(chunk)

    def _print(self, text: str, at: int) -> None:
        """Prints what is new in `text`, which starts at character `at` of the log."""
        new = text[max(0, self._seen - at) :]
        if new:
            self._out.write(new)
            self._out.flush()
            self._seen += len(new)

"""Runs one program in one sandbox and kills everything that it started."""

from __future__ import annotations

import json
import marshal
import math
import os
import secrets
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import IO, Any, NamedTuple, cast

from pada_ray.sandbox.inside.settings import Settings
from pada_ray.sandbox.launch import MAX_DISK, Launch, packages
from pada_ray.sandbox.processes import kill_descendants, usage

MAX_OUTPUT = 1_000_000  # bytes on standard output and standard error together
MAX_FILE = 10_000_000  # bytes in any one file
MAX_PROCESSES = 64  # processes and threads; the sandbox itself uses up to four of them
_MAX_VERDICT = 10_000  # bytes; its reason has a thousand characters at most
_LOOK_EVERY = 0.05  # seconds
# Without these, numerical libraries start a thread per core.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
# systemd's range for transient users; no distribution assigns its numbers.
_SPARE_USERS = range(61184, 65520)


class SandboxResult(NamedTuple):
    """`reason` is one line; `output` is what the program wrote, at most `MAX_OUTPUT` bytes of it."""

    passed: bool
    reason: str
    output: str


def supervise(launch: Launch, program: str, tests: str, timeout: float, memory_mb: int) -> SandboxResult:
    """Runs a program and its tests; see `run_python`.

    Raises:
        OSError: the machine does not allow this launch.
    """
    user = secrets.choice(_SPARE_USERS) if launch.own_user else None
    owner = user if launch.level == "basic" else None
    token = secrets.token_hex(16)
    with _pipe() as (read_out, write_out), _pipe() as (read_verdict, write_verdict), _folder(owner) as folder:
        settings: Settings = {
            "verdict": write_verdict.fileno(),
            "limits": _limits(launch, timeout, memory_mb),
            "packages": packages(),
            "user": user,
            "root": launch.root(folder),
            "folder": launch.folder(folder),
        }
        with tempfile.TemporaryFile() as request:
            request.write(marshal.dumps(cast(dict[str, Any], settings)) + marshal.dumps((token, program, tests)))
            request.seek(0)
            process = subprocess.Popen(
                launch.python(),
                stdin=request,
                stdout=write_out,
                stderr=write_out,
                pass_fds=(write_verdict.fileno(),),
                cwd=folder,
                env=_ENVIRONMENT,
                start_new_session=True,
            )
        write_out.close()
        write_verdict.close()
        look = partial(_excess, process.pid, memory_mb, folder if launch.level == "basic" else None)
        try:
            stopped, output, verdict = _watch(process, read_out, read_verdict, timeout, look)
        finally:
            _end(process)
    passed, said = _read_verdict(verdict, token)
    reason = "ran to its end" if passed else said or stopped or "the process ended before the program did"
    return SandboxResult(passed, reason, output.decode(errors="replace"))


def _read_verdict(verdict: bytes, token: str) -> tuple[bool, str]:
    """Whether the tests passed, and in one line why not; (False, "") for anything but what `main` writes."""
    try:
        match json.loads(verdict.partition(b"\n")[0]):
            case [given, bool() as passed, str() as reason] if given == token:
                return passed, " ".join(reason.split())
    except (ValueError, RecursionError):
        pass
    return False, ""


def _limits(launch: Launch, timeout: float, memory_mb: int) -> list[tuple[str, int]]:
    limits = [
        ("RLIMIT_CPU", math.ceil(timeout) + 1),
        ("RLIMIT_AS", memory_mb * 2**20),
        ("RLIMIT_FSIZE", MAX_FILE),
        ("RLIMIT_NOFILE", 64),
        ("RLIMIT_CORE", 0),
    ]
    return [*limits, ("RLIMIT_NPROC", MAX_PROCESSES)] if launch.counted_apart else limits


def _watch(
    process: subprocess.Popen[bytes], out: IO[bytes], verdict: IO[bytes], timeout: float, look: Callable[[], str]
) -> tuple[str, bytes, bytes]:
    """Reads both pipes until a verdict arrives, the process ends, or a limit is reached.

    Args:
        look: returns the limit that the processes exceed, "" if none.

    Returns:
        the limit that was reached, "" if none; the output; the verdict line, b"" if none arrived.
    """
    deadline = time.monotonic() + timeout
    next_look = time.monotonic() + _LOOK_EVERY
    got = {out.fileno(): bytearray(), verdict.fileno(): bytearray()}
    written, said = got.values()
    with selectors.DefaultSelector() as selector:
        for pipe in got:
            selector.register(pipe, selectors.EVENT_READ)
        ended, stopped = False, ""
        while not stopped:
            # One more read after the end, because the pipes may still hold data.
            ready = selector.select(0 if ended else max(0.0, min(deadline, next_look) - time.monotonic()))
            for key, _ in ready:
                chunk = os.read(key.fd, 65536)
                got[key.fd] += chunk
                if not chunk:
                    selector.unregister(key.fd)
            if b"\n" in said or len(said) > _MAX_VERDICT or (ended and not ready):
                return "", bytes(written[:MAX_OUTPUT]), bytes(said)
            if len(written) > MAX_OUTPUT:
                stopped = f"wrote more than {MAX_OUTPUT} bytes of output"
            elif time.monotonic() >= deadline:
                stopped = f"did not end within {timeout:g} s"
            elif time.monotonic() >= next_look:
                stopped = look()
                next_look = time.monotonic() + _LOOK_EVERY
            ended = process.poll() is not None
    return stopped, bytes(written[:MAX_OUTPUT]), b""


def _excess(pid: int, memory_mb: int, folder: str | None) -> str:
    """The limit on a program's processes together that it exceeds, "" if none.

    Args:
        folder: its working folder, if nothing else limits the total size of its files.
    """
    used = usage(pid)
    if used.processes > MAX_PROCESSES:
        return f"started more than {MAX_PROCESSES} processes"
    if used.memory > memory_mb * 2**20:
        return f"took more than {memory_mb} MiB of memory"
    if folder is not None and _disk(folder) > MAX_DISK:
        return f"wrote more than {MAX_DISK} bytes of files"
    return ""


def _disk(folder: str) -> int:
    """Bytes on disk of the files in a folder."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
    return total


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kills everything that the program started, and waits for its end."""
    kill_descendants(process.pid)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def _pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    read, write = os.pipe()
    with open(read, "rb", buffering=0) as reader, open(write, "wb", buffering=0) as writer:
        yield reader, writer


@contextmanager
def _folder(owner: int | None) -> Iterator[str]:
    """An empty folder, owned by `owner` if given."""
    folder = tempfile.mkdtemp(prefix="pada-sandbox-")
    try:
        if owner is not None:
            os.chown(folder, owner, owner)
        yield folder
    finally:
        try:
            shutil.rmtree(folder, ignore_errors=True)
        except RecursionError:  # folders nested too deeply for it
            subprocess.run(["rm", "-rf", folder], check=False)

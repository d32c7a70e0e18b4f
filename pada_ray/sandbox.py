"""Runs Python programs that nobody has read, each in a process of its own.

What holds on every Linux machine: a separate `python -I` with an empty environment, an empty temporary
folder as its working directory, nothing on standard input, no inherited file descriptors but its own,
limits on CPU seconds, address space, file size and open files, no core dumps, and a time limit, after
which the whole process group is killed. Output beyond `MAX_OUTPUT` bytes ends the run.

Where the `unshare` command may make namespaces (as root, or with unprivileged user namespaces), the
program also has no network, its own process table and `/proc`, and all that it started dies with it.
`namespaces()` tells whether that is so. Without it the network is open, a child that leaves its process
group outlives the run, and `/proc` shows this user's other processes, their environment included.

What does not hold: the file system is readable, and writable wherever this user may write; the limit on
processes does not bind root, and for others counts all of the user's processes; memory is limited per
process and disk use per file, not in total. A pass
is proven by a random token that is sent after the last line of the program has run, so that exiting early
passes nothing, but a program that searches its interpreter's memory for the token can forge one. This
keeps out accidents and lazy cheats, not an attacker: run such code in a container made for it.
"""

from __future__ import annotations

import functools
import json
import math
import os
import secrets
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

MAX_OUTPUT = 1_000_000  # bytes on standard output and standard error together
MAX_FILE = 10_000_000  # bytes in any one file
_MAX_VERDICT = 10_000  # bytes
_CHILD = Path(__file__).with_name("sandbox_child.py")


class SandboxResult(NamedTuple):
    """`reason` is one line; `output` is what the program wrote, at most `MAX_OUTPUT` bytes of it."""

    passed: bool
    reason: str
    output: str


@functools.cache
def namespaces() -> tuple[str, ...]:
    """The command that gives a program its own network and processes, () where that is not possible."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return ()
    command: tuple[str, ...] = (unshare, "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
    if os.geteuid() != 0:
        command += ("--map-root-user",)
    with suppress(OSError, subprocess.TimeoutExpired):
        tried = subprocess.run([*command, "true"], capture_output=True, timeout=10)
        if tried.returncode == 0:
            return command
    return ()


def _limits(timeout: float, memory_mb: int) -> list[tuple[str, int]]:
    return [
        ("RLIMIT_CPU", math.ceil(timeout) + 1),
        ("RLIMIT_AS", memory_mb * 2**20),
        ("RLIMIT_FSIZE", MAX_FILE),
        ("RLIMIT_NOFILE", 64),
        ("RLIMIT_NPROC", 256),
        ("RLIMIT_CORE", 0),
    ]


def _watch(process: subprocess.Popen[bytes], out: int, verdict: int, timeout: float) -> tuple[str, bytes, bytes]:
    """Reads both pipes until a verdict has come, the process has ended, or a limit is reached.

    Returns:
        which limit ended the run, "" if none; the output; the verdict line, b"" if none came.
    """
    deadline = time.monotonic() + timeout
    got = {out: bytearray(), verdict: bytearray()}
    with selectors.DefaultSelector() as selector:
        for pipe in got:
            selector.register(pipe, selectors.EVENT_READ)
        ended = False
        while True:
            # One more look after the end, because the pipes may still hold something.
            ready = selector.select(0 if ended else min(0.1, max(0.0, deadline - time.monotonic())))
            for key, _ in ready:
                chunk = os.read(key.fd, 65536)
                got[key.fd] += chunk
                if not chunk:
                    selector.unregister(key.fd)
            if b"\n" in got[verdict] or len(got[verdict]) > _MAX_VERDICT or (ended and not ready):
                return "", bytes(got[out]), bytes(got[verdict])
            if len(got[out]) > MAX_OUTPUT:
                return f"wrote more than {MAX_OUTPUT} bytes of output", bytes(got[out][:MAX_OUTPUT]), b""
            if time.monotonic() >= deadline:
                return f"did not end within {timeout:g} s", bytes(got[out]), b""
            ended = process.poll() is not None


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run_python(program: str, timeout: float = 10.0, memory_mb: int = 1024) -> SandboxResult:
    """Runs a program. It passes if it reaches its end, so it should end in its assertions.

    Args:
        program: Python source text.
        timeout: seconds of wall time; CPU time is limited to about the same.
        memory_mb: MiB of address space.
    """
    token = secrets.token_hex(16)
    read_out, write_out = os.pipe()
    read_verdict, write_verdict = os.pipe()
    request = {
        "program": program,
        "token": token,
        "verdict_fd": write_verdict,
        "limits": _limits(timeout, memory_mb),
    }
    try:
        with (
            tempfile.TemporaryDirectory(prefix="pada-sandbox-", ignore_cleanup_errors=True) as folder,
            tempfile.TemporaryFile() as stdin,
        ):
            stdin.write(json.dumps(request).encode())
            stdin.seek(0)
            try:
                process = subprocess.Popen(
                    [*namespaces(), sys.executable, "-I", str(_CHILD)],
                    stdin=stdin,
                    stdout=write_out,
                    stderr=write_out,
                    pass_fds=(write_verdict,),
                    cwd=folder,
                    env={},
                    start_new_session=True,
                )
            finally:
                os.close(write_out)
                os.close(write_verdict)
            try:
                stopped, output, verdict = _watch(process, read_out, read_verdict, timeout)
            finally:
                _kill(process)
    finally:
        os.close(read_out)
        os.close(read_verdict)
    line = verdict.decode(errors="replace").partition("\n")[0]
    passed = secrets.compare_digest(line.encode(), f"+{token}".encode())
    if passed:
        reason = "ran to its end"
    elif line.startswith("-"):
        reason = line[1:]
    else:
        reason = stopped or "the process ended before the program did"
    return SandboxResult(passed, reason, output.decode(errors="replace"))


def cores() -> int:
    """The CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_python_many(programs: Sequence[str], timeout: float = 10.0, memory_mb: int = 1024) -> list[SandboxResult]:
    """`run_python` of each program, in order, as many at a time as there are cores."""
    with ThreadPoolExecutor(max_workers=cores()) as pool:
        return list(pool.map(lambda program: run_python(program, timeout, memory_mb), programs))

"""The descendants of a process, read from `/proc`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Usage(NamedTuple):
    processes: int
    memory: int  # bytes, without files; shared memory counts for each process that has mapped it


def descendants(pid: int) -> list[int]:
    """The living descendants of a process, without itself."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = _children(waiting.pop())
        found += children
        waiting += children
    return found


def usage(pid: int) -> Usage:
    """What the descendants of a process use together."""
    pids = descendants(pid)
    unmapped = {file: size for pid in pids for file, size in _memory_files(pid)}
    return Usage(len(pids), sum(map(_memory, pids)) + sum(unmapped.values()))


def kill_descendants(pid: int, patience: float = 5.0) -> None:
    """Kills until no descendant is left, even while they start others, for at most `patience` seconds.

    Killing the first process of a process table kills the whole table.
    """
    deadline = time.monotonic() + patience
    while (pids := descendants(pid)) and time.monotonic() < deadline:
        for each in pids:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        time.sleep(0.001)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    # A process may end while it is read.
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found += map(int, (thread / "children").read_text().split())
    return [child for child in found if _lives(child)]


def _lives(pid: int) -> bool:
    with suppress(OSError):
        # The name of a process may hold spaces and brackets; what follows its last bracket is the state.
        state, *numbers = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        threads = int(numbers[16])
        # A process whose first thread has ended looks dead while other threads run.
        return state not in (b"Z", b"X") or threads > 1
    return False


def _memory(pid: int) -> int:
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon:", "RssShmem:")))
    return 0


def _memory_files(pid: int) -> Iterator[tuple[int, int]]:
    """The files of a process that are memory (memfd_create): number, and bytes in them."""
    with suppress(OSError):  # another user's process
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if os.readlink(file).startswith("/memfd:"):
                    found = file.stat()
                    yield found.st_ino, found.st_blocks * 512

"""One process at a time works on a run: two would make its calls twice and overwrite each other's files."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator

from pada_ray.errors import ConfigError
from pada_ray.storage import Folder


@contextlib.contextmanager
def locked(runs: Iterable[str]) -> Iterator[None]:
    """Locks the runs' folders that exist on a disk. The locks end with the block or the process, even a killed one.

    Raises ConfigError if another process holds one: of this machine or, on some shared disks, of another.
    """
    with contextlib.ExitStack() as held:
        for folder in map(Folder, runs):
            if folder.is_local and folder.exists():
                handle = os.open(folder.url, os.O_RDONLY)
                held.callback(os.close, handle)
                if not _lock(handle):
                    raise ConfigError(
                        f"{folder.url}: another process is at work on this run; wait until it ends, or stop it"
                    )
        yield


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a shared disk without locks
        pass
    return True

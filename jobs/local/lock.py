"""One process at a time works on a run: two would make its calls twice and overwrite each other's files."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterable, Iterator

from pada_ray.errors import ConfigError, StorageError
from pada_ray.storage import Folder


@contextlib.contextmanager
def locked(runs: Iterable[str]) -> Iterator[None]:
    """Locks the runs' folders that exist on a disk. The locks end with the block or the process, even a killed one.

    Raises ConfigError if another process holds one: of this machine or, on some shared disks, of another. Raises
    StorageError for a folder that cannot be opened.
    """
    with contextlib.ExitStack() as held:
        for folder in map(Folder, runs):
            if folder.is_local and folder.exists():
                handle = _opened(folder)
                held.callback(os.close, handle)
                if _lock(handle, fcntl.LOCK_EX) is False:
                    raise ConfigError(
                        f"{folder.url}: another process is at work on this run; wait until it ends, or stop it"
                    )
        yield


def is_at_work(run: str) -> bool | None:
    """Whether a process works on a run, by its lock; None where locks do not tell, as in an object store.
    Raises StorageError for a folder that cannot be opened."""
    folder = Folder(run)
    if not folder.is_local:
        return None
    handle = _opened(folder)
    try:
        # A shared one, so that two that ask at once do not take each other for the process at work.
        free = _lock(handle, fcntl.LOCK_SH)
        return None if free is None else not free
    finally:
        os.close(handle)


def _opened(folder: Folder) -> int:
    try:
        return os.open(folder.url, os.O_RDONLY)
    except OSError as e:
        advice = "; each run needs one: raise `ulimit -n`" if e.errno == errno.EMFILE else ""
        raise StorageError(f"{folder.url}: {e.strerror}{advice}") from None


def _lock(handle: int, kind: int) -> bool | None:
    """Whether the lock was free; None on a shared disk without locks."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True

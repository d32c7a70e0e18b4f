"""The SQLite file of a gateway: replies and the account."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pada_ray.errors import PadaError, StorageError, one_line
from pada_ray.storage import disk_full, free_bytes, is_disk_full

PATIENCE = 60  # seconds to wait while another process holds the file
_SHARED_MEMORY = 32768  # bytes of the file that SQLite lays beside an open one
_FAILED = "disk I/O error"
_LOCKED = ("database is locked", "database table is locked")
_NO_ACCESS = "this user must be able to open it, and to write to it and to its folder"
# By SQLite's words, since Python 3.10 does not tell its codes.
_REFUSALS = {
    _FAILED: "see whether its disk, or a quota there, is full, or the disk fails",
    "unable to open database": _NO_ACCESS,
    "attempt to write a readonly database": _NO_ACCESS,
    **dict.fromkeys(_LOCKED, "another process holds it"),
}


class _Database(sqlite3.Connection):
    def __init__(self, path: str):
        super().__init__(path, timeout=PATIENCE, isolation_level=None)
        self._path = path

    def execute(self, *statement: Any) -> sqlite3.Cursor:
        with telling_refusals(self._path):
            return super().execute(*statement)

    def switch_to_wal(self) -> None:
        """Retries, because SQLite's own timeout does not apply when several processes switch a new file at once."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                super().execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as e:
                if not str(e).startswith(_LOCKED) or time.monotonic() > deadline:
                    raise
            time.sleep(0.05)


def open_database(path: str) -> sqlite3.Connection:
    """`path` is a local file, created if absent. Several processes may have it open. Opening it, and each statement,
    raises StorageError with the file for what the system refuses.

    A killed process loses no stored row: in WAL mode the operating system has each row at once. Only a power failure
    may lose the last rows.
    """
    with telling_refusals(path):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        db = _Database(path)
        db.switch_to_wal()
    db.execute("PRAGMA synchronous=NORMAL")  # a sync for each reply would delay all calls in flight
    return db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Stores all of the block or nothing. Raises StorageError for what the system refuses."""
    with telling_refusals(db.execute("PRAGMA database_list").fetchone()[2]), db:
        db.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def telling_refusals(path: str) -> Iterator[None]:
    """What the system refuses in the block becomes StorageError, or DiskFull, with the file. SQLite's errors about what
    a file holds pass; the types of its errors do not tell the two apart."""
    try:
        yield
    except PadaError:
        raise
    except OSError as e:
        raise (
            disk_full(path, e=e) if is_disk_full(e) else StorageError(f"{path}: {e.strerror or one_line(e)}")
        ) from None
    except sqlite3.Error as e:
        told = str(e)
        if is_disk_full(e) or (told == _FAILED and free_bytes(path) < _SHARED_MEMORY):
            raise disk_full(path) from None
        advice = next((advice for words, advice in _REFUSALS.items() if told.startswith(words)), None)
        if advice is None:
            raise
        raise StorageError(f"{path}: {told}; {advice}") from None

"""The SQLite file of a gateway: replies and the account of what was paid for."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 60  # seconds for which another process may hold the file


def open_database(path: str) -> sqlite3.Connection:
    """`path` is a local file, made where it is absent. Several processes may have it open.

    A process that is killed loses nothing that was stored: in WAL mode a stored row is with the system at once.
    Only a machine that loses power may lose the last rows.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    _switch_to_wal(db)
    db.execute("PRAGMA synchronous=NORMAL")  # a sync for each reply would hold up all calls in flight
    return db


def _switch_to_wal(db: sqlite3.Connection) -> None:
    """SQLite's own timeout does not hold where several processes switch a new file at once."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of the block is stored, or nothing."""
    with db:
        db.execute("BEGIN IMMEDIATE")
        yield

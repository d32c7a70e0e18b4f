"""The SQLite file of a gateway: replies and the account."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pada_ray.storage import telling_a_full_disk

PATIENCE = 60  # seconds to wait while another process holds the file


def open_database(path: str) -> sqlite3.Connection:
    """`path` is a local file, created if absent. Several processes may have it open.

    A killed process loses no stored row: in WAL mode the operating system has each row at once. Only a power failure
    may lose the last rows.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    _switch_to_wal(db)
    db.execute("PRAGMA synchronous=NORMAL")  # a sync for each reply would delay all calls in flight
    return db


def _switch_to_wal(db: sqlite3.Connection) -> None:
    """Retries, because SQLite's own timeout does not apply when several processes switch a new file at once."""
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
    """Stores all of the block or nothing."""
    with telling_a_full_disk(db.execute("PRAGMA database_list").fetchone()[2]), db:
        db.execute("BEGIN IMMEDIATE")
        yield

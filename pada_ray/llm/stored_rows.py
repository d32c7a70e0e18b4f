"""Checks a file of replies before a run goes on from it: every row has a checksum of its own."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from pada_ray.errors import DamagedFile
from pada_ray.llm.database import telling_refusals

CHECKSUM = "checksum"  # column of a row; NULL in rows of version 0.1
_ROWS = {
    "replies": ("key", "request", "text", "cut_off"),
    "paid_calls": ("experiment", "role", "purpose", "key", "prompt_tokens", "completion_tokens", "usd", "estimated"),
}


def row_checksum(*values: str | float | None) -> str:
    """Of a row's values, in the order of its columns."""
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:32]


def add_checksum(db: sqlite3.Connection, table: str) -> None:
    """Gives a table of version 0.1 the column."""
    if not _has_checksum(db, table):
        try:
            db.execute(f"ALTER TABLE {table} ADD COLUMN {CHECKSUM} TEXT")
        except sqlite3.OperationalError:  # another process may have added it at the same moment
            if not _has_checksum(db, table):
                raise


def check_replies(file: str, run: str, paid_calls: int) -> None:
    """Raises DamagedFile if the file of a run that has made `paid_calls` calls holds fewer, if a row is not what was
    stored, or if SQLite cannot read it; StorageError if the system does not let it."""
    if not paid_calls and not Path(file).exists():
        return
    way_out = f"`pada resume {run} --from STAGE` goes on without it and asks again, which is paid for"
    try:
        if not Path(file).exists():
            raise DamagedFile(f"{file}: damaged: it is missing; restore it, or {way_out}")
        with telling_refusals(file), closing(_read_only(file)) as db:
            if next(_damaged(db), None):
                raise DamagedFile(f"{file}: damaged: a stored reply is not what was written; {way_out}")
            begun = db.execute("PRAGMA table_info(paid_calls)").fetchone()  # a file that was emptied has no tables
            found = db.execute("SELECT COUNT(*) FROM paid_calls").fetchone()[0] if begun else 0
    except sqlite3.Error as e:
        raise DamagedFile(f"{file}: damaged: {e}; restore it, or {way_out}") from None
    if found < paid_calls:
        raise DamagedFile(f"{file}: damaged: it holds {found} paid calls of {paid_calls}; restore it, or {way_out}")


def drop_damaged(file: str) -> int:
    """Removes the damaged rows, or a file that SQLite cannot read. Returns how many replies are lost with it, as far as
    they can be counted. Raises StorageError, and leaves the file, if the system does not let SQLite read or change it.
    """
    if not Path(file).exists():
        return 0
    try:
        with telling_refusals(file), closing(sqlite3.connect(file, isolation_level=None)) as db:
            damaged = list(_damaged(db))
            for table, row in damaged:
                db.execute(f"DELETE FROM {table} WHERE rowid = ?", (row,))
            return sum(table == "replies" for table, _ in damaged)
    except sqlite3.Error:
        with telling_refusals(file):
            for part in ("", "-wal", "-shm"):
                if Path(file + part).exists():
                    Path(file + part).rename(f"{file}{part}.damaged")
        return 0


def _read_only(file: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{Path(file).absolute().as_uri()}?mode=ro", uri=True)


def _damaged(db: sqlite3.Connection) -> Iterator[tuple[str, int]]:
    """Table and row id of each row that is not what was stored. Raises sqlite3.Error where the file is no database."""
    said = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if said != "ok":
        raise sqlite3.DatabaseError(said)
    for table, columns in _ROWS.items():
        if not _has_checksum(db, table):
            continue
        for row, checksum, *values in db.execute(f"SELECT rowid, {CHECKSUM}, {', '.join(columns)} FROM {table}"):
            if checksum is not None and checksum != row_checksum(*values):
                yield table, row


def _has_checksum(db: sqlite3.Connection, table: str) -> bool:
    return CHECKSUM in [column for _, column, *_ in db.execute(f"PRAGMA table_info({table})")]

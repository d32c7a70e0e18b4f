"""Copies replies and the account to a new file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from pada_ray.llm.account import Account
from pada_ray.llm.database import open_database, transaction
from pada_ray.llm.reply_cache import ReplyCache

_REPLIES = "INSERT OR IGNORE INTO replies SELECT * FROM old.replies"
_PAID = """
INSERT INTO paid_calls SELECT * FROM old.paid_calls AS o
WHERE NOT EXISTS (SELECT 1 FROM paid_calls AS n WHERE n.key = o.key AND n.experiment = o.experiment)
"""
_SHARED = "INSERT OR IGNORE INTO shared_replies SELECT * FROM old.shared_replies"


def take_along(old: str, new: str) -> None:
    """Copies everything in the file `old`, if it exists, into `new`. `old` stays unchanged."""
    if old == new or not Path(old).exists():
        return
    _open(old).close()
    with closing(_open(new)) as db:
        db.execute("ATTACH DATABASE ? AS old", (old,))
        with transaction(db):
            for statement in (_REPLIES, _PAID, _SHARED):
                db.execute(statement)


def _open(path: str) -> sqlite3.Connection:
    """Opens a file and creates any missing table."""
    db = open_database(path)
    ReplyCache(db)
    Account(db)
    return db

"""The account: what each run paid for, and which replies it got that another run had paid for, by role and purpose.

It outlives the gateway and the run.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import NamedTuple

from pada_ray.config import Price
from pada_ray.llm.chat import ChatRequest, Completion, Usage
from pada_ray.llm.stored_rows import add_checksum, row_checksum

# The columns called `experiment` hold a run's folder. They keep this name because files of older runs are read.
_TABLE = """
CREATE TABLE IF NOT EXISTS paid_calls (
    experiment TEXT NOT NULL, role TEXT NOT NULL, purpose TEXT NOT NULL, key TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, usd REAL, estimated INTEGER NOT NULL DEFAULT 0,
    checksum TEXT
)
"""
_ESTIMATED = "ALTER TABLE paid_calls ADD COLUMN estimated INTEGER NOT NULL DEFAULT 0"  # files of 0.1 lack it
_INDEX = """
CREATE INDEX IF NOT EXISTS spending ON paid_calls (experiment, prompt_tokens, completion_tokens, usd)
"""
_BY_KEY = "CREATE INDEX IF NOT EXISTS payers ON paid_calls (key)"
_SHARED = """
CREATE TABLE IF NOT EXISTS shared_replies (
    experiment TEXT NOT NULL, key TEXT NOT NULL, role TEXT NOT NULL, purpose TEXT NOT NULL,
    PRIMARY KEY (experiment, key)
)
"""
_SHARE = """
INSERT OR IGNORE INTO shared_replies
SELECT :run, :key, :role, :purpose
WHERE NOT EXISTS (SELECT 1 FROM paid_calls WHERE key = :key AND experiment = :run)
"""
_ANSWERED = """
SELECT EXISTS (SELECT 1 FROM paid_calls WHERE experiment = :run AND role = :role AND purpose <> 'probe')
    OR EXISTS (SELECT 1 FROM shared_replies WHERE experiment = :run AND role = :role)
"""
_USAGE = """
SELECT role, purpose, COUNT(*), SUM(prompt_tokens), SUM(completion_tokens),
    CASE WHEN COUNT(usd) = COUNT(*) THEN SUM(usd) END, SUM(estimated), shared
FROM (
    SELECT role, purpose, prompt_tokens, completion_tokens, usd, estimated, 0 AS shared, rowid AS place
    FROM paid_calls WHERE experiment = :run
    UNION ALL
    SELECT s.role, s.purpose, p.prompt_tokens, p.completion_tokens, p.usd, p.estimated, 1, s.rowid
    FROM shared_replies s JOIN paid_calls p ON p.rowid = (SELECT MIN(rowid) FROM paid_calls WHERE key = s.key)
    WHERE s.experiment = :run
)
GROUP BY role, purpose, shared ORDER BY shared, MIN(place)
"""


class Cost(NamedTuple):
    tokens: int
    usd: float

    def plus(self, other: Cost) -> Cost:
        return Cost(self.tokens + other.tokens, self.usd + other.usd)

    def minus(self, other: Cost) -> Cost:
        return Cost(self.tokens - other.tokens, self.usd - other.usd)


def money(price: Price | None, prompt_tokens: int, completion_tokens: int) -> float | None:
    """USD for a call; None without a price."""
    if price is None:
        return None
    return (prompt_tokens * price.prompt + completion_tokens * price.completion) / 1e6


class Account:
    """Gateways that share a file share the account, so what a run spends at two endpoints adds up."""

    def __init__(self, db: sqlite3.Connection):
        self._db = db
        db.execute(_TABLE)
        if "estimated" not in {column for _, column, *_ in db.execute("PRAGMA table_info(paid_calls)")}:
            _add_column(db)
        add_checksum(db, "paid_calls")
        for statement in (_INDEX, _BY_KEY, _SHARED):
            db.execute(statement)

    def pay(self, run: str, role: str, request: ChatRequest, key: str, call: Completion, usd: float | None) -> None:
        row = (run, role, request.purpose, key, call.prompt_tokens, call.completion_tokens, usd, int(call.estimated))
        self._db.execute("INSERT INTO paid_calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, row_checksum(*row)))

    def share(self, run: str, role: str, purpose: str, key: str) -> None:
        """Notes that the run got a reply, unless the run paid for it or this is noted already."""
        values = {"run": run, "key": key, "role": role, "purpose": purpose}
        self._db.execute(_SHARE, values)

    def answered(self, run: str, role: str) -> bool:
        """Whether the run has got any reply in this role."""
        return bool(self._db.execute(_ANSWERED, {"run": run, "role": role}).fetchone()[0])

    def spent(self, run: str) -> Cost:
        """What the run has paid itself. Calls without a price count as 0 USD."""
        query = "SELECT SUM(prompt_tokens + completion_tokens), SUM(usd) FROM paid_calls WHERE experiment = ?"
        tokens, usd = self._db.execute(query, (run,)).fetchone()
        return Cost(tokens or 0, usd or 0.0)

    def usage(self, run: str) -> list[Usage]:
        """What the run used, by role, purpose and whether another run had paid, over all its resumptions."""
        rows = self._db.execute(_USAGE, {"run": run})
        names = ("role", "purpose", "calls", "prompt_tokens", "completion_tokens", "usd", "estimated", "shared")
        return [Usage(**dict(zip(names, row, strict=True))) for row in rows]


def _add_column(db: sqlite3.Connection) -> None:
    with contextlib.suppress(sqlite3.OperationalError):  # another gateway that opened the file has just done so
        db.execute(_ESTIMATED)

"""The account of what was paid for, and of what others had paid for, by experiment, role and purpose. It outlives the
gateway and the run."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from pada_ray.config import Price
from pada_ray.llm.chat import ChatRequest, Completion, Usage

_TABLE = """
CREATE TABLE IF NOT EXISTS paid_calls (
    experiment TEXT NOT NULL, role TEXT NOT NULL, purpose TEXT NOT NULL, key TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, usd REAL
)
"""
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
SELECT :experiment, :key, :role, :purpose
WHERE NOT EXISTS (SELECT 1 FROM paid_calls WHERE key = :key AND experiment = :experiment)
"""
_ANSWERED = """
SELECT EXISTS (SELECT 1 FROM paid_calls WHERE experiment = :experiment AND role = :role)
    OR EXISTS (SELECT 1 FROM shared_replies WHERE experiment = :experiment AND role = :role)
"""
_USAGE = """
SELECT role, purpose, COUNT(*), SUM(prompt_tokens), SUM(completion_tokens),
    CASE WHEN COUNT(usd) = COUNT(*) THEN SUM(usd) END, shared
FROM (
    SELECT role, purpose, prompt_tokens, completion_tokens, usd, 0 AS shared, rowid AS place
    FROM paid_calls WHERE experiment = :experiment
    UNION ALL
    SELECT s.role, s.purpose, p.prompt_tokens, p.completion_tokens, p.usd, 1, s.rowid
    FROM shared_replies s JOIN paid_calls p ON p.rowid = (SELECT MIN(rowid) FROM paid_calls WHERE key = s.key)
    WHERE s.experiment = :experiment
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
    """Gateways that share a file share the account, so that what an experiment spends at two endpoints adds up."""

    def __init__(self, db: sqlite3.Connection):
        self._db = db
        db.execute(_TABLE)
        for statement in (_INDEX, _BY_KEY, _SHARED):
            db.execute(statement)

    def pay(
        self, experiment: str, role: str, request: ChatRequest, key: str, call: Completion, usd: float | None
    ) -> None:
        self._db.execute(
            "INSERT INTO paid_calls VALUES (?, ?, ?, ?, ?, ?, ?)",
            (experiment, role, request.purpose, key, call.prompt_tokens, call.completion_tokens, usd),
        )

    def share(self, experiment: str, role: str, purpose: str, key: str) -> None:
        """The experiment has a reply again. Where another one paid for it, that is noted, once."""
        values = {"experiment": experiment, "key": key, "role": role, "purpose": purpose}
        self._db.execute(_SHARE, values)

    def answered(self, experiment: str, role: str) -> bool:
        """Whether any call of this role was."""
        return bool(self._db.execute(_ANSWERED, {"experiment": experiment, "role": role}).fetchone()[0])

    def spent(self, experiment: str) -> Cost:
        """What it has paid itself. Calls without a price count no money."""
        query = "SELECT SUM(prompt_tokens + completion_tokens), SUM(usd) FROM paid_calls WHERE experiment = ?"
        tokens, usd = self._db.execute(query, (experiment,)).fetchone()
        return Cost(tokens or 0, usd or 0.0)

    def usage(self, experiment: str) -> list[Usage]:
        """What it took, by role, purpose and whether another one had paid, over all processes and resumptions."""
        rows = self._db.execute(_USAGE, {"experiment": experiment})
        return [
            Usage(role=r, purpose=p, calls=n, prompt_tokens=prompt, completion_tokens=out, usd=usd, shared=bool(shared))
            for r, p, n, prompt, out, usd, shared in rows
        ]

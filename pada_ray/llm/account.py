"""The account of what was paid for, by experiment, role and purpose. It outlives the gateway and the run."""

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
        db.execute(_INDEX)

    def pay(
        self, experiment: str, role: str, request: ChatRequest, key: str, call: Completion, usd: float | None
    ) -> None:
        self._db.execute(
            "INSERT INTO paid_calls VALUES (?, ?, ?, ?, ?, ?, ?)",
            (experiment, role, request.purpose, key, call.prompt_tokens, call.completion_tokens, usd),
        )

    def spent(self, experiment: str) -> Cost:
        """Calls without a price count no money."""
        query = "SELECT SUM(prompt_tokens + completion_tokens), SUM(usd) FROM paid_calls WHERE experiment = ?"
        tokens, usd = self._db.execute(query, (experiment,)).fetchone()
        return Cost(tokens or 0, usd or 0.0)

    def usage(self, experiment: str) -> list[Usage]:
        """By role and purpose, over all processes and resumptions."""
        rows = self._db.execute(
            "SELECT role, purpose, COUNT(*), SUM(prompt_tokens), SUM(completion_tokens), "
            "CASE WHEN COUNT(usd) = COUNT(*) THEN SUM(usd) END FROM paid_calls "
            "WHERE experiment = ? GROUP BY role, purpose ORDER BY MIN(rowid)",
            (experiment,),
        )
        return [
            Usage(role=r, purpose=p, calls=n, prompt_tokens=prompt, completion_tokens=completion, usd=usd)
            for r, p, n, prompt, completion, usd in rows
        ]

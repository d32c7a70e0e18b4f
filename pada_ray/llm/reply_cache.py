"""Replies on disk, by the content of their request, and the account of what was paid for.

SQLite in WAL mode: several gateways may share a file, and a killed process loses nothing that was stored.
"""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

from pada_ray.llm.chat import ChatReply, ChatRequest, Usage

_TABLES = """
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY, request TEXT NOT NULL, text TEXT NOT NULL, cut_off INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS calls (
    run TEXT NOT NULL, role TEXT NOT NULL, purpose TEXT NOT NULL, key TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL
);
"""


class ReplyCache:
    """`path` is a local file; `run` names the run whose account the calls go to."""

    def __init__(self, path: str, run: str):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._run = run
        self._db = sqlite3.connect(path, timeout=60, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.executescript(_TABLES)

    def get(self, key: str) -> ChatReply | None:
        row = self._db.execute("SELECT text, cut_off FROM replies WHERE key = ?", (key,)).fetchone()
        return ChatReply(text=row[0], cut_off=bool(row[1])) if row else None

    def put(self, key: str, role: str, request: ChatRequest, reply: ChatReply, tokens: tuple[int, int]) -> None:
        """Stores a reply that has arrived, with its tokens (prompt, completion), in one transaction."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute(
                "INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?)",
                (key, request.model_dump_json(), reply.text, reply.cut_off),
            )
            self._db.execute(
                "INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?)",
                (self._run, role, request.purpose, key, *tokens),
            )

    def usage(self) -> list[Usage]:
        """What this run has paid for, by role and purpose, over all its processes and resumptions."""
        rows = self._db.execute(
            "SELECT role, purpose, COUNT(*), SUM(prompt_tokens), SUM(completion_tokens) FROM calls "
            "WHERE run = ? GROUP BY role, purpose ORDER BY MIN(rowid)",
            (self._run,),
        )
        return [
            Usage(role=r, purpose=p, calls=n, prompt_tokens=prompt, completion_tokens=completion)
            for r, p, n, prompt, completion in rows
        ]


def request_key(endpoint: str, model: str, request: ChatRequest) -> str:
    """The content hash of a call. The purpose is bookkeeping and stays out of it."""
    content = request.model_dump_json(exclude={"purpose"})
    return hashlib.sha256(f"{endpoint}\n{model}\n{content}".encode()).hexdigest()

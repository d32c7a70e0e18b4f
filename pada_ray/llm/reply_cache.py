"""Replies on disk, keyed by the content of their request."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from typing import Any

from pada_ray.config import EndpointConfig
from pada_ray.config.teacher import TeacherSettings
from pada_ray.errors import DamagedFile
from pada_ray.llm.chat import ChatReply, ChatRequest
from pada_ray.llm.stored_rows import add_checksum, row_checksum

_NOT_IN_REPLIES = {"model", "latency_ms", "hang_seconds", "retry_after_seconds", "access_log"}

_TABLE = """
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY, request TEXT NOT NULL, text TEXT NOT NULL, cut_off INTEGER NOT NULL, checksum TEXT
)
"""


class ReplyCache:
    def __init__(self, db: sqlite3.Connection):
        self._db = db
        db.execute(_TABLE)
        add_checksum(db, "replies")

    def get(self, key: str) -> ChatReply | None:
        """Raises DamagedFile for a row that is not what was stored."""
        query = "SELECT checksum, key, request, text, cut_off FROM replies WHERE key = ?"
        row = self._db.execute(query, (key,)).fetchone()
        if row is None:
            return None
        checksum, *values = row
        if checksum is not None and checksum != row_checksum(*values):
            raise DamagedFile(
                f"reply {key[:12]} in the run's replies: damaged: it is not what was stored; `pada resume RUN --from "
                "STAGE` asks for it again, which is paid for"
            )
        return ChatReply(text=row[3], cut_off=bool(row[4]))

    def put(self, key: str, request: ChatRequest, reply: ChatReply) -> None:
        row = (key, request.model_dump_json(), reply.text, int(reply.cut_off))
        self._db.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?)", (*row, row_checksum(*row)))


def request_key(endpoint: EndpointConfig, request: ChatRequest, offline: TeacherSettings | None = None) -> str:
    """The hash of all that the reply of a call may depend on. The purpose is bookkeeping and stays out of it.

    The offline teacher is identified by its settings (`offline`) and not by its port.
    """
    known: list[Any] = [endpoint.base_url, endpoint.model, endpoint.max_tokens, endpoint.body]
    if endpoint.base_url == "offline" and offline is not None:
        known.append(offline.model_dump(exclude=_NOT_IN_REPLIES))
    settings = json.dumps(known, sort_keys=True)
    # Replies of 0.1, which knew no limit of a request's own, are found too.
    left_out = {"purpose"} if request.max_tokens is not None else {"purpose", "max_tokens"}
    content = request.model_dump_json(exclude=left_out)
    return hashlib.sha256(f"{settings}\n{content}".encode()).hexdigest()

"""A copy of the replies and of the account in a folder that outlives this machine, such as one on S3.

SQLite needs a local disk, so a run that lies elsewhere has its replies in two places.
"""

from __future__ import annotations

import asyncio
import sqlite3
import uuid
from concurrent.futures import ThreadPoolExecutor

from pada_ray.llm.account import Account
from pada_ray.llm.chat import ChatReply, ChatRequest, Completion
from pada_ray.llm.database import transaction
from pada_ray.llm.reply_cache import ReplyCache
from pada_ray.records import Record
from pada_ray.storage import Folder

_TABLE = "CREATE TABLE IF NOT EXISTS copied (key TEXT PRIMARY KEY, file TEXT NOT NULL)"
_NOT_COPIED = """
SELECT r.key, p.experiment, p.role, p.purpose, r.request, r.text, r.cut_off, p.prompt_tokens, p.completion_tokens,
    p.usd, p.estimated
FROM replies r JOIN paid_calls p ON p.key = r.key WHERE r.key NOT IN (SELECT key FROM copied)
"""
_READERS = 16  # files read at a time


class PaidReply(Record):
    """A reply, who paid for it, and how much."""

    key: str
    experiment: str  # the run's folder; files of older runs have this key
    role: str
    request: ChatRequest
    reply: ChatReply
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    estimated: bool = False


class ReplyCopy:
    """Writes replies to files of JSON lines in `folder`: one file for all that arrive while the last file is written.

    Creating a ReplyCopy merges database and folder: each gets what only the other holds.
    """

    def __init__(self, db: sqlite3.Connection, replies: ReplyCache, account: Account, folder: Folder):
        self._db = db
        self._replies = replies
        self._account = account
        self._folder = folder
        self._waiting: list[tuple[PaidReply, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        db.execute(_TABLE)
        self._fetch()
        if left := [_paid_reply(row) for row in db.execute(_NOT_COPIED)]:
            self._note(self._write(left), left)

    async def keep(self, paid: PaidReply) -> None:
        """Returns when the reply is in the folder. Raises StorageError if it cannot be written."""
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((paid, written))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        await written

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                file = await asyncio.to_thread(self._write, [paid for paid, _ in batch])
                self._note(file, [paid for paid, _ in batch])
            except Exception as e:  # the callers who wait get it, whatever it is
                for _, written in batch:
                    if not written.cancelled():
                        written.set_exception(e)
            else:
                for _, written in batch:
                    if not written.cancelled():
                        written.set_result(None)
        self._writer = None

    def _write(self, batch: list[PaidReply]) -> str:
        file = f"{uuid.uuid4().hex}.jsonl"
        self._folder.write_records(file, batch)
        return file

    def _note(self, file: str, batch: list[PaidReply]) -> None:
        """Marks replies as stored in `file`, so that they are not read or written again."""
        with transaction(self._db):
            self._db.executemany("INSERT OR IGNORE INTO copied VALUES (?, ?)", [(paid.key, file) for paid in batch])

    def _fetch(self) -> None:
        known = {file for (file,) in self._db.execute("SELECT DISTINCT file FROM copied")}
        files = [file for file in self._folder.names() if file.endswith(".jsonl") and file not in known]
        with ThreadPoolExecutor(_READERS) as readers:
            for file, batch in zip(files, readers.map(self._read, files), strict=True):
                for paid in batch:
                    self._take_in(paid)
                self._note(file, batch)

    def _read(self, file: str) -> list[PaidReply]:
        return self._folder.read_records(file, PaidReply)

    def _take_in(self, paid: PaidReply) -> None:
        with transaction(self._db):
            if self._replies.get(paid.key) is not None:
                return
            self._replies.put(paid.key, paid.request, paid.reply)
            completion = Completion(paid.reply, paid.prompt_tokens, paid.completion_tokens, paid.estimated)
            self._account.pay(paid.experiment, paid.role, paid.request, paid.key, completion, paid.usd)


def _paid_reply(row: tuple[str, str, str, str, str, str, int, int, int, float | None, int]) -> PaidReply:
    key, run, role, purpose, request, text, cut_off, prompt_tokens, completion_tokens, usd, estimated = row
    return PaidReply(
        key=key,
        experiment=run,
        role=role,
        request=ChatRequest.model_validate_json(request).model_copy(update={"purpose": purpose}),
        reply=ChatReply(text=text, cut_off=bool(cut_off)),
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        usd=usd,
        estimated=bool(estimated),
    )

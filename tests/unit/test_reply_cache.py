import hashlib
import sqlite3
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
from builders import chat_request as request
from builders import room_for

from pada_ray.config import EndpointConfig, Price
from pada_ray.config.teacher import TeacherSettings
from pada_ray.errors import StorageError
from pada_ray.llm import database
from pada_ray.llm.account import Account, Cost, money
from pada_ray.llm.chat import ChatReply, Completion
from pada_ray.llm.database import open_database, transaction
from pada_ray.llm.dialect import Dialect
from pada_ray.llm.reply_cache import ReplyCache, request_key
from pada_ray.llm.reply_transfer import take_along

ENDPOINT = EndpointConfig(base_url="offline", model="m")
TABLES = (ReplyCache, Account, partial(Dialect, ENDPOINT))


def completion(prompt_tokens=7, completion_tokens=2):
    return Completion(ChatReply(text="hello", cut_off=False), prompt_tokens, completion_tokens)


def test_a_reply_outlives_the_connection(tmp_path):
    path = str(tmp_path / "deep" / "replies.sqlite")
    reply = ChatReply(text="é\n", cut_off=True)
    db = open_database(path)
    ReplyCache(db).put("key", request(), reply)
    db.close()
    cache = ReplyCache(open_database(path))
    assert cache.get("key") == reply
    assert cache.get("other") is None


def test_a_new_file_that_another_process_is_about_to_write_is_waited_for(tmp_path):
    """As where two gateways open it at once. SQLite gives up at once there, whatever its timeout."""
    path = str(tmp_path / "replies.sqlite")
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        sqlite3.connect(path, timeout=60).execute("PRAGMA journal_mode=WAL")
    letting_go = threading.Timer(0.3, other.execute, ["COMMIT"])
    letting_go.start()
    assert open_database(path).execute("PRAGMA journal_mode").fetchone() == ("wal",)
    letting_go.join()


def test_a_file_that_cannot_be_opened_is_told_at_once(tmp_path):
    path = str(tmp_path / "replies.sqlite")
    Path(path).mkdir()
    with pytest.raises(StorageError, match=rf"^{path}: unable to open database file; this user must be able to"):
        open_database(path)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=rf"^{tmp_path}/file/replies.sqlite: File exists$"):
        open_database(f"{tmp_path}/file/replies.sqlite")


def test_a_file_that_another_process_keeps_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "PATIENCE", 0.2)
    path = str(tmp_path / "replies.sqlite")
    db, other = open_database(path), open_database(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageError, match=rf"^{path}: database is locked; another process holds it$"), transaction(db):
        pass


@pytest.mark.parametrize(
    "write",
    [
        *TABLES,
        lambda db: Account(db).share("run", "teacher", "p", "key"),
        lambda db: Dialect(ENDPOINT, db).learn({"seed": 1}, "seed is not supported", None),
        lambda db: ReplyCache(db).put("key", request(), ChatReply(text="hello", cut_off=False)),
    ],
    ids=["replies", "account", "dialect", "share", "learn", "put"],
)
def test_whatever_has_no_room_is_told_with_the_file(tmp_path, write):
    path = str(tmp_path / "replies.sqlite")
    db = open_database(path)
    if not isinstance(write, type | partial):  # these make their tables
        for table in TABLES:
            table(db)
    with room_for(1024), pytest.raises(StorageError, match=rf"^{path}: disk I/O error; see whether its disk"):
        write(db)


def test_replies_without_room_are_not_taken_along(tmp_path):
    old, new = str(tmp_path / "old.sqlite"), str(tmp_path / "new.sqlite")
    for path in (old, new):
        ReplyCache(db := open_database(path)).put(path, request(), ChatReply(text="hello", cut_off=False))
        Account(db)
        db.close()
    with room_for(1024), pytest.raises(StorageError, match=rf"^{old}: disk I/O error"):
        take_along(old, new)
    Path(f"{new}-wal").mkdir()
    with pytest.raises(StorageError, match=rf"^{new}: unable to open database file"):
        take_along(old, new)


def test_equal_requests_have_one_key_whatever_they_are_for():
    key = request_key(ENDPOINT, request())
    assert key == request_key(ENDPOINT, request(purpose="other"))
    others = [
        request_key(ENDPOINT, request("ho")),
        request_key(ENDPOINT, request(seed=1)),
        request_key(ENDPOINT, request(temperature=0.5)),
        request_key(ENDPOINT.model_copy(update={"model": "n"}), request()),
        request_key(ENDPOINT.model_copy(update={"max_tokens": 99}), request()),
        request_key(ENDPOINT.model_copy(update={"body": {"reasoning_effort": "high"}}), request()),
    ]
    assert len({key, *others}) == 7


def test_another_embedded_teacher_gives_other_replies():
    kind, careless = TeacherSettings(), TeacherSettings(wrong_rate=0.9)
    assert request_key(ENDPOINT, request(), kind) != request_key(ENDPOINT, request(), careless)
    assert request_key(ENDPOINT, request(), kind) == request_key(ENDPOINT, request(), TeacherSettings(latency_ms=9))
    own = ENDPOINT.model_copy(update={"base_url": "https://example.org/v1"})
    assert request_key(own, request(), kind) == request_key(own, request(), careless)


def test_replies_of_older_runs_are_found():
    content = '{"messages":[{"role":"user","content":"hi"}],"reply_schema":null,"temperature":0.0,"seed":null}'
    settings = '["offline", "m", 8192, {}]'
    asked = request()
    old = hashlib.sha256(f"{settings}\n{content}".encode()).hexdigest()
    assert request_key(ENDPOINT, asked) == old
    assert request_key(ENDPOINT, asked.model_copy(update={"max_tokens": 9})) != old


def test_limits_and_prices_do_not_make_replies_invalid():
    changed = {"requests_per_minute": 5, "max_in_flight": 2, "timeout": 1, "price": Price(prompt=1, completion=2)}
    assert request_key(ENDPOINT, request()) == request_key(ENDPOINT.model_copy(update=changed), request())


def test_the_account_is_by_run_role_and_purpose(tmp_path):
    account = Account(open_database(str(tmp_path / "r.sqlite")))
    account.pay("a", "teacher", request(purpose="x"), "1", completion(), 0.5)
    account.pay("a", "teacher", request(purpose="x"), "2", completion(), 0.25)
    account.pay("a", "judge", request(purpose="y"), "3", completion(), None)
    account.pay("b", "teacher", request(purpose="x"), "4", completion(100, 100), 9.0)
    usage = [(u.role, u.purpose, u.calls, u.prompt_tokens, u.completion_tokens, u.usd) for u in account.usage("a")]
    assert usage == [("teacher", "x", 2, 14, 4, 0.75), ("judge", "y", 1, 7, 2, None)]
    assert account.spent("a") == Cost(27, 0.75)
    assert account.spent("nobody") == Cost(0, 0.0)


def test_calls_whose_tokens_were_estimated_are_counted(tmp_path):
    account = Account(open_database(str(tmp_path / "r.sqlite")))
    account.pay("a", "teacher", request(purpose="x"), "1", completion()._replace(estimated=True), 0.5)
    account.pay("a", "teacher", request(purpose="x"), "2", completion(), 0.5)
    account.share("b", "teacher", "x", "1")
    assert [(u.calls, u.estimated) for u in account.usage("a") + account.usage("b")] == [(2, 1), (1, 1)]


def test_an_account_of_an_older_run_goes_on(tmp_path):
    db = open_database(str(tmp_path / "r.sqlite"))
    db.execute(
        "CREATE TABLE paid_calls (experiment TEXT, role TEXT, purpose TEXT, key TEXT, prompt_tokens INTEGER, "
        "completion_tokens INTEGER, usd REAL)"
    )
    db.execute("INSERT INTO paid_calls VALUES ('a', 'teacher', 'x', '1', 7, 2, 0.5)")
    account = Account(db)
    account.pay("a", "teacher", request(purpose="x"), "2", completion()._replace(estimated=True), 0.5)
    (usage,) = Account(db).usage("a")
    assert (usage.calls, usage.prompt_tokens, usage.estimated) == (2, 14, 1)


def test_money_is_never_guessed():
    assert money(Price(prompt=2.5, completion=10), 1_000_000, 100_000) == pytest.approx(3.5)
    assert money(None, 1_000_000, 100_000) is None


def test_a_block_is_stored_as_a_whole_or_not_at_all(tmp_path):
    db = open_database(str(tmp_path / "r.sqlite"))
    cache = ReplyCache(db)
    with pytest.raises(ZeroDivisionError), transaction(db):
        cache.put("key", request(), completion().reply)
        raise ZeroDivisionError
    assert cache.get("key") is None


def test_a_killed_process_loses_nothing_that_it_stored(tmp_path):
    path = str(tmp_path / "r.sqlite")
    program = (
        "import os, sys\n"
        "from pada_ray.llm.database import open_database, transaction\n"
        "db = open_database(sys.argv[1])\n"
        "db.execute('CREATE TABLE t (x)')\n"
        "with transaction(db):\n"
        "    db.execute('INSERT INTO t VALUES (1)')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program, path])
    assert open_database(path).execute("SELECT x FROM t").fetchall() == [(1,)]

import hashlib
import sqlite3
import subprocess
import sys
import threading

import pytest
from builders import chat_request as request

from pada_ray.config import EndpointConfig, Price
from pada_ray.config.teacher import TeacherSettings
from pada_ray.llm.account import Account, Cost, money
from pada_ray.llm.chat import ChatReply, Completion
from pada_ray.llm.database import open_database, transaction
from pada_ray.llm.reply_cache import ReplyCache, request_key

ENDPOINT = EndpointConfig(base_url="offline", model="m")


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

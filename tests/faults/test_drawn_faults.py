"""The fixed part of the faults, for CI: calls killed in flight, a disk that is full, and the harness itself. The drawn
part is `make faults`; a few of its cases are slow tests here."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest
from faults import STAGES, Case, Outcome, draw, e2e, read_outcomes, run_case, small_disk, table, undisturbed_run

from pada_ray.config.teacher import TeacherSettings
from pada_ray.errors import DiskFull
from pada_ray.llm.database import open_database, transaction
from pada_ray.llm.reply_cache import ReplyCache
from pada_ray.llm.stored_rows import check_replies, drop_damaged
from pada_ray.storage import Folder, check_free
from pada_ray.teacher.process import start_teacher

CALLS = 60
CALLER = str(Path(__file__).with_name("caller.py"))


def asking(url, file, sends=None, after=0.0):
    """A process that asks all questions, and gets a signal when it has been at work for some seconds."""
    command = [sys.executable, CALLER, url, str(file), str(CALLS)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    if sends is not None:
        process.stdout.readline()
        time.sleep(after)
        process.send_signal(sends)
    process.communicate(timeout=60)
    return process.returncode


@pytest.mark.parametrize("sends", [signal.SIGKILL, signal.SIGTERM], ids=lambda s: s.name)
@pytest.mark.parametrize("seed", [1, 2])
def test_calls_that_are_stopped_in_flight_are_not_bought_twice(tmp_path, sends, seed):
    log, file = tmp_path / "teacher.jsonl", tmp_path / "replies.sqlite"
    chance = random.Random(seed)
    stops = []
    with start_teacher(TeacherSettings(latency_ms=150, access_log=str(log))) as teacher:
        for _ in range(2):
            asking(teacher.url, file, sends, after=chance.uniform(0, 0.3))
            stops.append(time.time())
        assert asking(teacher.url, file) == 0
    check_replies(str(file), "run", CALLS)
    sent = e2e.sent_replies(log)
    assert len(sent) == CALLS
    twice = [sorted(times) for times in sent.values() if len(times) > 1]
    if sends == signal.SIGTERM:
        assert not twice
    # A reply on its way at a SIGKILL is the one thing that is paid for again.
    assert all(any(stop - 2 <= times[0] <= stop for stop in stops) for times in twice)
    assert len(twice) <= 8 * len(stops)


@pytest.fixture
def full(tmp_path):
    try:
        with small_disk(tmp_path, 1):
            yield tmp_path
    except PermissionError as e:
        pytest.skip(str(e))


def test_a_full_disk_is_told_with_the_file_and_keeps_what_there_was(full):
    folder = Folder(str(full / "run"))
    folder.write_text("kept", "whole")
    with pytest.raises(
        DiskFull, match=r"run/large: No space left on device: 1\.\d MB are free on its disk; make room there$"
    ):
        folder.write_bytes("large", bytes(2_000_000))
    assert folder.names() == ["kept"]
    assert folder.read_text("kept") == "whole"


def test_a_disk_without_room_for_a_checkpoint_is_told_before_training(full):
    check_free(str(full / "run"), 100_000)
    with pytest.raises(DiskFull, match=r"1\.0 MB are free on its disk, and 12\.0 MB are needed; make room"):
        check_free(str(full / "run"), 12_000_000)
    check_free("memory://run", 12_000_000)


def test_replies_on_a_full_disk(full):
    db = open_database(str(full / "replies.sqlite"))
    ReplyCache(db)
    with pytest.raises(DiskFull, match=r"replies\.sqlite: No space left on device"):
        while True:
            with transaction(db):
                db.execute("INSERT INTO replies VALUES (hex(randomblob(8)), '', hex(randomblob(20000)), 0, NULL)")


def test_the_replies_of_an_ended_run_on_a_full_disk_are_not_called_damaged(full):
    file = full / "replies.sqlite"
    with closing(open_database(str(file))) as db:
        ReplyCache(db)
    fill(full)
    before = file.read_bytes()
    for read in (lambda: check_replies(str(file), "run", 0), lambda: drop_damaged(str(file))):
        with pytest.raises(DiskFull, match=r"replies\.sqlite: No space left on device"):
            read()
    assert file.read_bytes() == before


def fill(disk):
    with contextlib.suppress(OSError), open(disk / "ballast", "wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(4096))


def test_a_seed_draws_the_same_cases_of_every_kind():
    assert draw(100, 1) == draw(100, 1) != draw(100, 2)
    kinds = Counter(case.kind for case in draw(100, 1))
    assert set(kinds) == {"kill", "in flight", "interrupt", "endpoint", "damage", "disk"}
    assert min(kinds.values()) >= 10
    assert {case.stage for case in draw(200, 1)} >= set(STAGES)


def test_the_table_counts_what_held():
    held = Outcome(Case("kill", "machine", STAGES[0]), files=20, in_flight=2)
    failed = Outcome(Case("disk", "4 KB left"), ["patterns.yaml is not as in an undisturbed run"], bought_twice=1)
    failed.commit = "abc"
    shown = table([held, failed], seed=3)
    assert "| kill | 1 | 1 | 20 | 0 | 2 |\n| disk | 1 | 0 | 0 | 1 | 0 |\n| all | 2 | 1 | 20 | 1 | 2 |" in shown
    assert "- disk: 4 KB left, at abc: patterns.yaml is not as" in shown


def test_the_table_counts_the_last_outcome_of_a_case_that_was_made_again():
    case = Case("kill", "machine", STAGES[0])
    failed = Outcome(case, ["patterns.yaml is not as in an undisturbed run"], bought_twice=1, commit="abc")
    shown = table([failed, Outcome(case, files=20, commit="def")], seed=3)
    assert "N=1 SEED=3`, 1 at def\n" in shown
    assert "| all | 1 | 1 | 20 | 0 | 0 |" in shown
    assert "at abc: patterns.yaml is not as" in shown


def test_outcomes_are_kept_and_only_those_of_the_same_cases_are_taken(tmp_path):
    kept, cases = tmp_path / "faults.jsonl", draw(4, seed=1)
    assert read_outcomes(kept, cases) == []
    outcomes = [Outcome(case, problems=["late"], files=3, commit="abc") for case in cases[:2]]
    kept.write_text("".join(json.dumps(asdict(o)) + "\n" for o in outcomes))
    assert read_outcomes(kept, cases) == outcomes
    assert read_outcomes(kept, cases[:1]) == outcomes[:1]
    with pytest.raises(SystemExit, match="is of other cases; remove it"):
        read_outcomes(kept, draw(4, seed=2))


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    return undisturbed_run(tmp_path_factory.mktemp("undisturbed"))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", draw(9, seed=7), ids=str)
def test_a_drawn_case(tmp_path, undisturbed, case):
    assert run_case(case, undisturbed, tmp_path).problems == []

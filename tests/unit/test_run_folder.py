import importlib.util

import pytest
from builders import math_sample

from jobs.local.checks import check_backend, check_endpoints, check_student
from jobs.local.lock import locked
from jobs.local.run_folder import change_config, lay_out, prepare
from pada_ray.config import check_config
from pada_ray.data.splits import read_data
from pada_ray.errors import ConfigError
from pada_ray.runs.configs import read_config
from pada_ray.runs.state import FILE as STATE
from pada_ray.runs.state import FinishedStage, RunState
from pada_ray.storage import Folder


@pytest.fixture
def run(tmp_path):
    endpoint = {"base_url": "offline", "model": "a"}
    raw = {
        "runs": str(tmp_path),
        "data": {"demo": {}, "regime": 20, "eval_samples": 5},
        "student": {"model": "demo"},
        "pattern_analysis": {"embedding": "tfidf"},
        "llm": {"teacher": endpoint, "judge": endpoint},
    }
    return prepare(check_config(raw, "test"))


def test_limits_may_change_on_resume(run):
    change_config(run, ["budget.tokens=5000", "llm.teacher.max_in_flight=2"])
    assert read_config(Folder(run)).budget.tokens == 5000
    assert read_config(Folder(run)).llm.teacher.max_in_flight == 2


@pytest.mark.parametrize("override", ["seed=1", "data.regime=30", "iterations=5"])
def test_a_run_keeps_its_own_settings_on_resume(run, override):
    before = read_config(Folder(run))
    with pytest.raises(ConfigError, match="keeps its settings; only llm, budget and shared_disk may change"):
        change_config(run, [override])
    assert read_config(Folder(run)) == before


VANILLA = ["base: evaluation", "iteration-0: fine-tuning", "iteration-0: evaluation"]
ANALYSIS = ["iteration-1: error analysis", "iteration-1: clustering", "iteration-1: pattern categorization"]


def at(run, stage, finished):
    done = {name: FinishedStage(output="x", seconds=1) for name in finished}
    Folder(run).write_text(STATE, RunState(name="a", stage=stage, finished=done).model_dump_json())


@pytest.mark.parametrize(
    ("stage", "finished", "kept"),
    [
        (None, [], []),
        ("base: evaluation", [], []),
        ("iteration-0: fine-tuning", VANILLA[:1], []),
        ("iteration-0: evaluation", VANILLA, []),
        ("iteration-1: error analysis", VANILLA, ["pattern_analysis"]),
        ("iteration-1: strategy drafting", [*VANILLA, *ANALYSIS], ["pattern_analysis"]),
        ("iteration-1: data generation", VANILLA, ["pattern_analysis", "data_generation", "quality_control"]),
        ("iteration-1: fine-tuning", [], ["pattern_analysis", "data_generation", "quality_control"]),
    ],
)
def test_settings_of_stages_to_come_may_change(run, stage, finished, kept):
    if stage is not None:
        at(run, stage, finished)
    for override in ("pattern_analysis.batch_size=3", "data_generation.ratio=0.3", "quality_control.threshold=5"):
        section = override.partition(".")[0]
        before = read_config(Folder(run))
        if section in kept:
            with pytest.raises(ConfigError, match=rf"^--set {override}: .* depends on {section}, has begun"):
                change_config(run, [override])
            assert read_config(Folder(run)) == before
        else:
            change_config(run, [override])
            assert read_config(Folder(run)) != before


def test_a_change_that_would_add_no_samples_is_refused(run):
    with pytest.raises(ConfigError, match=r"data_generation\.ratio: 0\.001 x 20 training samples rounds to 0"):
        change_config(run, ["data_generation.ratio=0.001"])


def test_a_wrong_limit_is_named_and_nothing_is_changed(run):
    before = read_config(Folder(run))
    with pytest.raises(ConfigError, match=r"budget\.tokens: "):
        change_config(run, ["budget.tokens=many"])
    assert read_config(Folder(run)) == before


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
    with pytest.raises(ConfigError, match=r"data\.val_apart: 0\.01 of 20 val samples leaves one part empty"):
        read_data(check_config({"data": data | {"val_apart": 0.01}, "llm": llm}, "test"))


OFFLINE = {"base_url": "offline", "model": "a"}


@pytest.mark.parametrize("role", ["teacher", "judge"])
def test_what_endpoints_need_is_asked_for_first(role, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for need, told in [
        ({"base_url": "vllm"}, "base_url: vLLM is not installed here; pip install"),
        ({"api_key_env": "NOT_SET"}, "api_key_env: the environment variable NOT_SET is not set"),
    ]:
        config = {"data": {"demo": {}}, "llm": {"teacher": OFFLINE, "judge": OFFLINE, role: OFFLINE | need}}
        with pytest.raises(ConfigError, match=rf"llm\.{role}\.{told}"):
            check_endpoints(check_config(config, "test"), ["teacher", "judge"])


def test_a_backend_of_evaluation_that_cannot_be(monkeypatch):
    raw = {"runs": "memory://runs", "data": {"demo": {}}, "llm": {"teacher": OFFLINE, "judge": OFFLINE}}
    config = check_config(raw | {"evaluation": {"backend": "vllm"}}, "test")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"evaluation\.backend: vLLM is not installed here; pip install"):
        check_backend(config)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    with pytest.raises(ConfigError, match=r"evaluation\.backend: vllm reads adapters from a disk"):
        check_backend(config)
    check_backend(config.model_copy(update={"runs": "runs"}))


def test_a_question_that_val_has_twice_is_on_one_side_of_the_part_held_apart(tmp_path):
    files = {"train": [math_sample("t", question="What is 1?")]}
    files["val"] = [math_sample(f"v{i}", question=f"What is {i // 2}, then?") for i in range(20)]
    for split, members in files.items():
        (tmp_path / f"{split}.jsonl").write_text("".join(s.model_dump_json() + "\n" for s in members))
    data = {split: str(tmp_path / f"{split}.jsonl") for split in files} | {"val_apart": 0.25}
    parts = read_data(check_config({"data": data, "llm": {"teacher": OFFLINE, "judge": OFFLINE}}, "test"))
    asked = {split: {s.question for s in parts[split]} for split in ("val", "val_apart")}
    assert not asked["val"] & asked["val_apart"]
    assert (len(parts["val"]), len(parts["val_apart"])) == (14, 6)


def test_so_few_training_samples_that_none_is_added_are_refused(tmp_path):
    data = {"demo": {}, "regime": 4, "eval_samples": 5}
    raw = {"runs": str(tmp_path), "data": data, "llm": {"teacher": OFFLINE, "judge": OFFLINE}}
    with pytest.raises(ConfigError, match=r"data_generation\.ratio: 0\.1 x 4 training samples rounds to 0 new samples"):
        prepare(check_config(raw | {"data_generation": {"ratio": 0.1}}, "test"))
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_has_begun_keeps_its_data_and_prompts(run, tmp_path):
    config, samples, folder = read_config(Folder(run)), read_data(read_config(Folder(run))), Folder(run)
    fewer = samples | {"val": samples["val"][1:]}
    assert lay_out(config, fewer, folder) == run  # nothing is done with them yet
    lay_out(config, samples, folder)
    folder.write_text("state.json", "{}")
    lay_out(config, samples, folder)
    with pytest.raises(ConfigError, match=rf"^{run}/data/val.jsonl: the run started with different content"):
        lay_out(config, fewer, folder)
    (tmp_path / "grading.jinja").write_text("{{ replies }}")
    own = config.model_copy(update={"prompts": str(tmp_path)})
    with pytest.raises(ConfigError, match=rf"^{run}/prompts/grading.jinja: the run started with different content"):
        lay_out(own, samples, folder)
    assert len(folder.read_text("data/val.jsonl").splitlines()) == 5


def test_a_run_at_work_keeps_its_files(run):
    config, samples = read_config(Folder(run)), read_data(read_config(Folder(run)))
    with locked([run]):
        with pytest.raises(ConfigError, match="another process is at work on this run"):
            change_config(run, ["budget.tokens=5000"])
        with pytest.raises(ConfigError, match="another process is at work on this run"):
            lay_out(config, samples | {"val": []}, Folder(run))
    assert read_config(Folder(run)) == config
    assert len(Folder(run).read_text("data/val.jsonl").splitlines()) == 5


def test_a_student_without_room_for_a_prompt_is_told(run):
    config = read_config(Folder(run))
    close = config.student.model_copy(update={"model": "demo", "max_length": 512})
    with pytest.raises(ConfigError, match=r"^student.max_length: 512 tokens .* a reply may take 512 of them; raise it"):
        check_student(config.model_copy(update={"student": close}), read_data(config))
    short = config.evaluation.model_copy(update={"max_new_tokens": 511})
    check_student(config.model_copy(update={"student": close, "evaluation": short}), read_data(config))

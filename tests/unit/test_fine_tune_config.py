"""Workers, DeepSpeed and quantization in the config."""

import json
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import builders
import pytest
import torch
import yaml

from pada_ray.config import Config, check_config, dump_config
from pada_ray.config.deepspeed import SHIPPED
from pada_ray.errors import ConfigError, DiskFull
from pada_ray.runs.run_folder import RunFolder
from pada_ray.student import fine_tune as module
from pada_ray.student.fine_tune_worker import FineTuneJob, train_on_worker, warmup_steps

ENDPOINTS = {"teacher": {"base_url": "offline", "model": "a"}, "judge": {"base_url": "offline", "model": "b"}}


def config(student=None, **fine_tune) -> Config:
    raw = {"data": {"demo": {}}, "llm": ENDPOINTS, "fine_tune": fine_tune, "student": student or {}}
    return check_config(raw, "c.yaml")


@pytest.mark.parametrize(
    ("share", "steps", "expected"), [(0.05, 1, 0), (1, 1, 0), (0.05, 2, 1), (0.05, 190, 10), (0, 9, 0), (1, 9, 8)]
)
def test_a_warmup_leaves_the_last_step_to_learn_in(share, steps, expected):
    assert warmup_steps(share, steps) == expected


@pytest.mark.parametrize(("name", "stage"), [("zero1", 1), ("zero2", 2), ("zero3", 3), ("zero3_offload", 3)])
def test_a_shipped_deepspeed_config_is_found_by_name_and_written_into_the_runs_config(name, stage):
    resolved = config(deepspeed=name)
    assert resolved.fine_tune.deepspeed == json.loads((SHIPPED / f"{name}.json").read_text())
    assert resolved.fine_tune.deepspeed["zero_optimization"]["stage"] == stage
    assert check_config(yaml.safe_load(dump_config(resolved)), "again") == resolved


def test_every_shipped_deepspeed_config_has_a_name_in_the_docs():
    assert {f.stem for f in SHIPPED.glob("*.json")} == {"zero1", "zero2", "zero3", "zero3_offload"}


def test_a_deepspeed_config_of_ones_own_gets_what_follows_from_other_keys(tmp_path):
    file = tmp_path / "mine.json"
    file.write_text('{"zero_optimization": {"stage": 2}, "fp16": {"enabled": false}}')
    resolved = config(deepspeed=str(file)).fine_tune.deepspeed
    assert resolved["train_batch_size"] == resolved["gradient_clipping"] == "auto"
    assert "bf16" not in resolved
    assert config(deepspeed={"zero_optimization": {"stage": 2}}).fine_tune.deepspeed["bf16"] == {"enabled": "auto"}


def test_a_deepspeed_config_in_the_home_folder_is_read(tmp_path, monkeypatch):
    (tmp_path / "mine.json").write_text('{"zero_optimization": {"stage": 2}}')
    monkeypatch.setenv("HOME", str(tmp_path))
    assert config(deepspeed="~/mine.json").fine_tune.deepspeed["zero_optimization"] == {"stage": 2}
    with pytest.raises(ConfigError, match=r"fine_tune\.deepspeed: ~nobody-here/mine\.json: no such JSON file"):
        config(deepspeed="~nobody-here/mine.json")


@pytest.mark.parametrize(
    ("fine_tune", "message"),
    [
        ({"deepspeed": "zero4"}, r"fine_tune.deepspeed: zero4: no such JSON file; give one, or zero1, zero2, zero3, "),
        ({"deepspeed": 2}, r"fine_tune.deepspeed: "),
        ({"deepspeed": {"zero_optimization": {"stage": 0}}}, r"fine_tune.deepspeed: zero_optimization: "),
        ({"deepspeed": {"zero_optimization": {"stage": 3}}}, r"stage3_gather_16bit_weights_on_model_save must be true"),
        (
            {"deepspeed": {"zero_optimization": {"stage": 2}, "train_batch_size": 8}},
            r"fine_tune.deepspeed: train_batch_size follows from other keys",
        ),
        ({"deepspeed": "zero2", "workers": [1, 2]}, r"fine_tune: deepspeed needs a fixed number of workers"),
        ({"workers": [4, 2]}, r"fine_tune\.workers: \[4, 2\]: put the smaller number first"),
        ({"workers": [1, 3]}, r"fine_tune: batch_size \(8\) must be a multiple of"),
        ({"workers": 0}, r"fine_tune.workers.*: .*greater than 0"),
    ],
)
def test_a_wrong_config_is_one_clear_line(fine_tune, message):
    with pytest.raises(ConfigError, match=message) as e:
        config(**fine_tune)
    assert "\n" not in str(e.value)


def test_a_file_that_is_no_json(tmp_path):
    (tmp_path / "mine.json").write_text("{stage: 2}")
    with pytest.raises(ConfigError, match=r"fine_tune\.deepspeed: .*mine\.json: not readable as JSON"):
        config(deepspeed=str(tmp_path / "mine.json"))


@pytest.mark.parametrize(("workers", "size"), [(1, (1, 1)), (4, (4, 4)), ([1, 4], (1, 4))])
def test_workers(workers, size):
    assert config(workers=workers).fine_tune.workers == size


@pytest.fixture
def check(monkeypatch):
    """What is checked before a run, on a machine without the packages `missing`."""

    def on_a_machine(missing=(), gpu=False, **kwargs):
        monkeypatch.setattr(module, "find_spec", lambda name: None if name in missing else "found")
        checked = config(**kwargs)
        module.check_fine_tuning(checked.student, checked.fine_tune, gpu)

    return on_a_machine


FOUR_BITS = {"quantization": "4bit"}


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"deepspeed": "zero2", "missing": ["deepspeed"]}, r"fine_tune\.deepspeed: .* not installed"),
        (
            {"student": FOUR_BITS, "missing": ["bitsandbytes"]},
            r"student\.quantization: .*pip install 'pada-ray\[4bit\]'",
        ),
        ({"student": FOUR_BITS}, r"student\.quantization: .* no GPU"),
        ({"student": FOUR_BITS, "gpu": True, "gpus_per_worker": 0}, r"student\.quantization: .*gpus_per_worker"),
        ({"student": FOUR_BITS, "gpu": True, "deepspeed": "zero3"}, r"student\.quantization: .*zero2"),
    ],
)
def test_what_is_missing_is_told_before_anything_is_spent(check, kwargs, message):
    with pytest.raises(ConfigError, match=message):
        check(**kwargs)


def test_what_is_there_is_enough(check):
    check()
    check(deepspeed="zero3")
    check(student=FOUR_BITS, gpu=True, deepspeed="zero2")
    check(student=FOUR_BITS, gpu=None)  # a cluster's GPUs may come when they are asked for


@pytest.fixture
def on_a_worker(monkeypatch):
    """What a worker gets from Ray Train, here the only worker, without Ray."""
    ray, train, callbacks = (ModuleType(name) for name in ("ray", "ray.train", "ray.train.huggingface.transformers"))
    train.get_context = lambda: SimpleNamespace(get_world_size=lambda: 1, get_world_rank=lambda: 0)
    ray.train, callbacks.RayTrainReportCallback = train, object
    for stub in (ray, train, ModuleType("ray.train.huggingface"), callbacks):
        stub.__path__, stub.__spec__ = [], ModuleSpec(stub.__name__, None, is_package=True)
        monkeypatch.setitem(sys.modules, stub.__name__, stub)


def job(run: Path, **fine_tune) -> dict[str, object]:
    """What one worker is given for a fine-tuning in a run."""
    checked = config(**fine_tune)
    described = FineTuneJob(
        run=str(run),
        training_set="train.jsonl",
        adapter="adapter",
        previous_adapter=None,
        name="job",
        student=checked.student,
        settings=checked.fine_tune,
        seed=0,
    )
    return {"job": described.model_dump_json(), "alone": False}


@pytest.mark.usefixtures("on_a_worker")
def test_bfloat16_with_deepspeed_on_a_cpu_is_an_error_of_the_config(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    wrong = job(tmp_path, student={"model": "demo", "dtype": "bfloat16"}, deepspeed="zero2")
    with pytest.raises(ConfigError, match=r"student\.dtype: bfloat16 with fine_tune\.deepspeed needs a GPU"):
        train_on_worker(wrong)


@pytest.mark.usefixtures("on_a_worker")
def test_a_fine_tuning_without_room_for_a_checkpoint_is_not_begun(monkeypatch, tmp_path):
    RunFolder(str(tmp_path)).write_records("train.jsonl", [builders.math_sample("a")])
    monkeypatch.setattr("pada_ray.storage.free_bytes", lambda path: 1000)
    with pytest.raises(DiskFull, match=r"and \S+ MB are needed; make room there"):
        train_on_worker(job(tmp_path, student={"model": "demo", "dtype": "float32"}))
    assert [file.name for file in tmp_path.iterdir() if not file.name.startswith(".")] == ["train.jsonl"]


@pytest.mark.parametrize("names", [["v", "q"], ["q", "v"]])
def test_an_adapters_config_does_not_depend_on_the_order_of_a_set(names):
    written = module._in_order(json.dumps({"r": 1, "target_modules": names}).encode())
    assert json.loads(written) == {"r": 1, "target_modules": ["q", "v"]}
    assert json.loads(module._in_order(b'{"target_modules": "all-linear"}')) == {"target_modules": "all-linear"}

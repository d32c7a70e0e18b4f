"""What a person types, and what a mistake looks like."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT, pada, read_state

DEMO = str(ROOT / "configs/demo.yaml")
OFFLINE = {"base_url": "offline", "model": "a"}


COMMANDS = [
    *["run", "sweep", "plan", "resume", "attach", "status", "show", "report"],
    *["evaluate", "convert", "teacher", "doctor"],
]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_an_example(name, tmp_path):
    assert f"Example: pada {name}" in " ".join(pada(name, "--help", cwd=tmp_path).stdout.split())


def mistake(*args, cwd, **environment):
    done = pada(*args, cwd=cwd, check=False, timeout=60, env=environment)
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    assert not (cwd / "runs").exists(), "something was begun"
    return lines[0]


def test_mistakes_in_the_config(tmp_path):
    assert "sed: unknown key" in mistake("run", DEMO, "--set", "sed=1", cwd=tmp_path)
    assert "no such config file" in mistake("run", "nowhere.yaml", cwd=tmp_path)
    assert "--set seed" in mistake("run", DEMO, "--set", "seed", cwd=tmp_path)
    assert "is not a model folder" in mistake("run", DEMO, "--set", "student.model=./nowhere", cwd=tmp_path)
    assert "no template found" in mistake("run", DEMO, "--set", "prompts=.", cwd=tmp_path)
    key = ["--set", "llm.teacher.api_key_env=NO_SUCH_KEY"]
    assert "NO_SUCH_KEY is not set" in mistake("run", DEMO, *key, cwd=tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed")
@pytest.mark.parametrize("setting", ["evaluation.backend=vllm", "llm.judge.base_url=vllm"])
def test_a_backend_that_is_not_installed(tmp_path, setting):
    told = mistake("run", DEMO, "--set", setting, cwd=tmp_path)
    assert f"{setting.split('=')[0]}: vLLM is not installed here; pip install 'pada-ray[vllm]'" in told


def test_a_cluster_that_is_not_there(tmp_path):
    told = mistake("run", DEMO, cwd=tmp_path, RAY_ADDRESS="127.0.0.1:1")
    assert "RAY_ADDRESS=127.0.0.1:1: cannot connect to a Ray cluster" in told


def test_mistakes_in_the_data(tmp_path):
    lines = [
        {
            "id": str(i),
            "messages": [
                {"role": "user", "content": f"What is {i} + 1?"},
                {"role": "assistant", "content": f"#### {i + 1}"},
            ],
            "task": "math",
            "answer": str(i + 1),
        }
        for i in range(4)
    ]
    for name, part in {"train": lines[:2], "val": lines[2:]}.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in part))
    config = yaml.safe_load((ROOT / "configs/demo.yaml").read_text())
    config["data"] = {"train": "train.jsonl", "val": "val.jsonl"}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config))
    assert "train.jsonl: regime 5 is more than the file's 2" in mistake(
        "run", "mine.yaml", "--set", "data.regime=5", cwd=tmp_path
    )
    assert "nowhere.jsonl" in mistake("run", "mine.yaml", "--set", "data.val=nowhere.jsonl", cwd=tmp_path)
    assert "the same question is at train.jsonl" in mistake(
        "run", "mine.yaml", "--set", "data.val=train.jsonl", cwd=tmp_path
    )
    (tmp_path / "val.jsonl").write_text(json.dumps(lines[2] | {"answer": "7"}) + "\n")
    assert "val.jsonl:1: the reference reply does not satisfy" in mistake("run", "mine.yaml", cwd=tmp_path)
    (tmp_path / "val.jsonl").write_text("{oops\n")
    assert "val.jsonl:1: not JSON" in mistake("run", "mine.yaml", cwd=tmp_path)


def test_no_run_there(tmp_path):
    for name in ("resume", "status", "show"):
        assert "no run here" in mistake(name, str(tmp_path / "nothing"), cwd=tmp_path)


def test_an_endpoint_that_is_not_there_is_told_before_anything_is_trained(tmp_path):
    settings = ["llm.teacher.base_url=http://127.0.0.1:9/v1", "llm.teacher.max_retries=0", "data.regime=40"]
    done = pada("run", DEMO, *[part for s in settings for part in ("--set", s)], cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "http://127.0.0.1:9/v1 (offline-teacher) cannot be reached" in done.stderr
    assert not (tmp_path / "runs/demo/iteration-0").exists()
    assert "prepared, not started" in pada("status", str(tmp_path / "runs/demo"), cwd=tmp_path).stdout


def test_workers_that_no_node_can_hold_are_told_before_anything_is_done(tmp_path):
    done = pada("run", DEMO, "--set", "fine_tune.cpus_per_worker=4096", cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "error: fine_tune: 1 x (4096 CPU, " in done.stderr
    assert not (tmp_path / "runs/demo/base").exists()


def test_doctor(tmp_path):
    told = pada("doctor", DEMO, cwd=tmp_path).stdout
    assert "demo loads: 0.5 M parameters" in told
    assert "train 300, val 500, test 500" in told
    assert "run: can start" in told
    sick = pada("doctor", str(ROOT / "configs/paper/gsm8k.yaml"), cwd=tmp_path, check=False)
    assert sick.returncode == 2
    assert "missing data: " in " ".join(sick.stdout.split())


def test_a_task_of_ones_own_is_found_in_the_folder_that_one_is_in(tmp_path):
    (tmp_path / "shout.py").write_text(
        "from pada_ray.tasks.multiple_choice import MultipleChoice\n\n\nclass Shout(MultipleChoice):\n    pass\n"
    )
    for split in ("train", "val"):
        asked, replied = {"role": "user", "content": f"A. {split} B. no"}, {"role": "assistant", "content": "A"}
        (tmp_path / f"{split}.jsonl").write_text(json.dumps({"id": split, "messages": [asked, replied], "answer": "A"}))
    data = {"train": "train.jsonl", "val": "val.jsonl", "task": "shout:Shout"}
    config = {"data": data, "student": {"model": "demo"}, "llm": {"teacher": OFFLINE, "judge": OFFLINE}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(config))
    assert pada("plan", "own.yaml", cwd=tmp_path).stdout.startswith("1 run: ")
    pada("run", "own.yaml", "--set", "method=vanilla", "--set", "fine_tune.learning_rate=0.01", cwd=tmp_path)
    assert read_state(tmp_path / "runs/pada").status == "done"


def test_jobs_run_as_modules(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "jobs.run", DEMO, "--set", "sed=1"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "sed: unknown key" in done.stderr

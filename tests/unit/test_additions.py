"""A method, a task and a backend of evaluation are one file and one line each, as CONTRIBUTING.md says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOYS = {
    "methods/toy.py": """
from pada_ray.methods.augmented import augmented_fine_tuning
from pada_ray.methods.method import Method
from pada_ray.records import Seed


async def toy(train, steps, max_iterations):
    async def write(iteration, errors):
        return await steps.write(iteration, [Seed(sample=s) for s in train])

    return await augmented_fine_tuning(train, steps, max_iterations, write)


METHOD = Method(toy, instruction="similar_questions", reviewed=True)
""",
    "tasks/toy.py": """
from pada_ray.tasks.base import Check, Task


class Toy(Task):
    name, max_new_tokens = "toy", 4

    def read(self, reply):
        return reply.lower() if reply.lower() in ("yes", "no") else None

    def fails(self, reply, sample):
        return self.read(reply) != sample.answer

    def answer_of(self, messages):
        return "yes"

    def check(self, sample):
        return Check("unknown", "a toy")
""",
    "student/evaluation_toy.py": """
from pada_ray.student.evaluation_job import EvaluationReply


def replies(job, samples):
    return [EvaluationReply(position=i, text="yes", truncated=False) for i in range(len(samples))]
""",
}
LINES = {  # by file: a line of its table, and the line to put before it
    "methods/__init__.py": ('    "vanilla": ', '    "toy": "pada_ray.methods.toy:METHOD",'),
    "tasks/__init__.py": ('    "code": ', '    "toy": "pada_ray.tasks.toy:Toy",'),
    "student/evaluation.py": ('    "vllm": ', '    "toy": "pada_ray.student.evaluation_toy:replies",'),
}
SAMPLE = {"messages": [{"role": "user", "content": "Is {} even?"}, {"role": "assistant", "content": "yes"}]}
CONFIG = """
name: toy
method: toy
data: {train: train.jsonl, val: val.jsonl, task: toy}
student: {model: demo}
evaluation: {backend: toy}
quality_control: {canaries: 0}  # the stub judge says nothing
llm:
  teacher: {base_url: offline, model: a}
  judge: {base_url: offline, model: b}
"""
USE = """
import asyncio, sys
from pada_ray.runs.configs import load
from pada_ray.runs.plan import plan
from pada_ray.runs.planned_stages import planned_stages
from pada_ray.data.splits import read_data
from pada_ray.orchestrator import Orchestrator
from pada_ray.runs import run_files
from pada_ray.storage import Folder
from pada_ray.student.evaluation import evaluate
from stub_workers import StubWorkers

class Workers(StubWorkers):
    async def evaluate(self, job):
        return evaluate(job)

config = load("toy.yaml")
samples = read_data(config)
for split, members in samples.items():
    Folder("run").write_records(run_files.split(split), members)
print(*(c.purpose for c in plan(config, samples).calls), len(planned_stages(config, judged=False)))
workers = Workers()
state = asyncio.run(Orchestrator(config, Folder("run").url, workers.workers()).run())
print(state.status, state.scores["iteration-2"]["val"].accuracy, {b.instruction for b in workers.batches})
"""


@pytest.fixture
def package(tmp_path):
    """The project with the toys in it."""
    shutil.copytree(ROOT / "pada_ray", tmp_path / "pada_ray", ignore=shutil.ignore_patterns("__pycache__"))
    for file, text in TOYS.items():
        (tmp_path / "pada_ray" / file).write_text(text)
    for file, (before, line) in LINES.items():
        place = tmp_path / "pada_ray" / file
        text = place.read_text()
        assert text.count(before) == 1
        place.write_text(text.replace(before, f"{line}\n{before}"))
    return tmp_path


def test_a_toy_method_task_and_backend_are_one_file_and_one_line_each(package):
    for split, first in (("train", 0), ("val", 10)):
        rows = [json.dumps({"id": f"{split}-{i}"} | SAMPLE).replace("{}", str(first + i)) for i in range(4)]
        (package / f"{split}.jsonl").write_text("\n".join(rows))
    (package / "toy.yaml").write_text(CONFIG)
    (package / "use.py").write_text(USE)
    path = f"{package}:{Path(__file__).parent}"
    done = subprocess.run(
        [sys.executable, "use.py"], cwd=package, capture_output=True, text=True, timeout=60, env={"PYTHONPATH": path}
    )
    assert done.stderr == ""
    first, second = done.stdout.splitlines()
    assert first == "similar_questions quality_control similar_questions quality_control 9"
    assert second == "done 1.0 {'similar_questions'}"

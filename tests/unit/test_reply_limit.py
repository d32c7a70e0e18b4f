"""How long a reply may be: the config's limit, else the task's. Evaluation, its checks and exports ask one function."""

import ast
from pathlib import Path

import pytest

from pada_ray.config import EvaluationConfig
from pada_ray.student.evaluation_job import UNKNOWN_LIMIT, reply_limit
from pada_ray.tasks import Knowledge, get_task

ROOT = Path(__file__).resolve().parents[2]
OWNER = "pada_ray/student/evaluation_job.py"


@pytest.mark.parametrize(
    ("given", "tasks", "limit"),
    [
        (None, [get_task("label")], 64),
        (None, [get_task("label", Knowledge(reply_limit=128))], 128),
        (None, [get_task("label"), get_task("code"), get_task("math")], 1024),
        (8, [get_task("label", Knowledge(reply_limit=128)), get_task("code")], 8),
        (None, [], UNKNOWN_LIMIT),
        (8, [], 8),
    ],
)
def test_the_config_says_it_and_else_the_longest_of_the_tasks(given, tasks, limit):
    assert reply_limit(EvaluationConfig(max_new_tokens=given), tasks) == limit


def test_nobody_else_asks_a_task_or_the_config():
    """The limit of a run and that of its chat would differ."""
    asking = set()
    for file in (file for package in ("pada_ray", "actors", "jobs") for file in (ROOT / package).rglob("*.py")):
        read = {node.attr for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Attribute)}
        if read & {"reply_limit", "max_new_tokens"}:
            asking.add(str(file.relative_to(ROOT)))
    # The task itself, and the first config, which states what its task has.
    assert asking == {OWNER, "pada_ray/tasks/base.py", "pada_ray/tasks/label.py", "pada_ray/data/first_config.py"}

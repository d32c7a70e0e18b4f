"""Open-ended replies, replies that are cut off, and tasks from elsewhere."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import builders
import pytest
from builders import samples_in

from pada_ray.errors import ConfigError, DataError
from pada_ray.records import Sample
from pada_ray.runs.state import Score
from pada_ray.student.evaluation import fails_all
from pada_ray.student.evaluation_job import cut
from pada_ray.tasks import get_task

DOC = Path(__file__).resolve().parents[2] / "docs" / "tasks.md"


def sample(task: str, reply: str, answer: str = "x", name: str = "s1", **meta: object) -> Sample:
    return builders.sample(task, "My lid broke. What now?", reply, answer, name, **meta)


# --- the task


def test_only_a_reply_without_words_fails_without_a_judge():
    task, item = get_task("judged"), sample("judged", "We are sorry.")
    assert task.fails_many(["Sorry!", " \n", "<think>Hm.</think>", "<think>Hm.</think>Sorry."], [item] * 4) == [
        False, True, True, False,
    ]  # fmt: skip
    assert task.read("<think>Hm.</think>\nSorry. ") == "Sorry."


def test_quality_control_takes_the_reply_itself_as_the_answer():
    task, item = get_task("judged"), sample("judged", "We are sorry. ")
    assert task.answer_of(item.messages) == "We are sorry."
    assert task.check(item).verdict == "unknown"


def test_a_rubric_that_is_no_text_is_found_when_the_data_are_read(tmp_path):
    file = tmp_path / "train.jsonl"
    file.write_text(sample("judged", "Sorry.", rubric=["polite"]).model_dump_json())
    with pytest.raises(DataError, match=r"train\.jsonl:1: sample s1: meta\.rubric is not a text"):
        samples_in(str(file))


# --- evaluation


def test_what_a_judge_decides_is_left_open_and_the_rest_is_not():
    judged, computed = sample("judged", "Sorry."), sample("math", "#### 3", "3")
    replies = ["Oh.", "#### 4", "", "#### 3"]
    assert fails_all(replies, [judged, computed, judged, computed]) == [None, True, True, False]


@pytest.mark.parametrize(
    ("reply", "stop", "kept"),
    [
        ("billing\nBecause", ("\n",), "billing"),
        ("a STOP b END c", ("END", "STOP"), "a"),
        ("a b", ("END",), "a b"),
        ("END a", ("END",), ""),
        ("a b ", (), "a b "),
    ],
)
def test_a_reply_is_cut_before_the_first_stop(reply, stop, kept):
    assert cut(reply, stop) == kept


def test_accuracy_is_over_what_is_scored():
    score = Score(samples=10, failures=2, truncated=0, unscored=2)
    assert score.accuracy == 0.75
    assert math.isnan(Score(samples=3, failures=0, truncated=0, unscored=3).accuracy)


def test_a_state_from_before_there_was_a_judge_is_read():
    assert Score.model_validate_json('{"samples": 4, "failures": 1, "truncated": 0}').accuracy == 0.75


# --- tasks from elsewhere


@pytest.fixture
def example(tmp_path) -> Path:
    """A folder with the task of docs/tasks.md in a file of the name that the document gives it."""
    code = re.search(r"```python\n# (topic\.py)\n(.*?)```", DOC.read_text(), re.DOTALL)
    assert code is not None
    (tmp_path / code[1]).write_text(code[2])
    return tmp_path


def test_the_documented_task_works(example, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(example)
    name = re.search(r'task: "(topic:\w+)"', DOC.read_text())[1]
    task, good = get_task(name), sample(name, "Returns.", "returns")
    replies = [cut(reply, task.stop) for reply in ("returns\nbilling", "billing", "no idea")]
    assert task.fails_many(replies, [good] * 3) == [False, True, True]
    assert task.answer_of(good.messages) == "returns"
    assert [task.check(sample(name, reply)).verdict for reply in ("Returns.", "Oh.")] == ["unknown", "wrong"]
    file = tmp_path / "train.jsonl"
    file.write_text(good.model_dump_json(exclude={"answer"}))
    assert samples_in(str(file), name)[0].answer == "returns"


def in_a_new_process(folder: Path, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_installed_package_names_its_tasks_by_entry_points(example):
    toml = re.search(r'```toml\n\[project\.entry-points\."([\w.]+)"\]\n(.*?)```', DOC.read_text(), re.DOTALL)
    installed = example / "topics-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: topics\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[{toml[1]}]\n" + toml[2].replace('"', "") + "gone = nowhere:Task\n")
    code = "from pada_ray.tasks import get_task\nprint(get_task('topic').max_new_tokens)"
    assert in_a_new_process(example, code) == "16"
    for name, said in [("gone", "cannot be imported"), ("maths", "judged, topic, gone, or module:Class")]:
        code = f"from pada_ray.tasks import get_task\ntry: get_task('{name}')\nexcept ValueError as e: print(e)"
        assert said in in_a_new_process(example, code)


def test_a_name_that_nobody_gave():
    with pytest.raises(ConfigError, match=r"unknown; use one of math, .*judged.*or module:Class"):
        get_task("topic")

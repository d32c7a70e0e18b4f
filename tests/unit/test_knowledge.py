"""What a run knows of its task: made once, kept in its folder, and used wherever replies and samples are judged."""

from __future__ import annotations

import asyncio
import json

import pytest
from builders import small_config
from stub_workers import StubWorkers
from test_label import LABELS, label_sample, written

from jobs.evaluate import _read
from jobs.local.run_folder import prepare
from jobs.remote.job_files import check_files
from jobs.remote.package import Package
from pada_ray.config import check_config, dump_config
from pada_ray.data.splits import read_data, read_each
from pada_ray.errors import ConfigError
from pada_ray.orchestrator import Orchestrator
from pada_ray.runs import run_files
from pada_ray.runs.sharing import evaluation_content
from pada_ray.storage import Folder
from pada_ray.student.evaluation import fails_all
from pada_ray.tasks import Knowledge


@pytest.fixture
def config(tmp_path):
    paths = written(tmp_path, train=["card_arrival", "card_linking"] * 3, val=["card_arrival"], test=["age_limit"])
    return small_config(runs=str(tmp_path / "runs"), data=paths | {"labels": LABELS})


def test_a_run_keeps_what_it_knows(config, tmp_path):
    folder = Folder(prepare(config))
    known = run_files.read_knowledge(folder)
    assert (known.labels, known.reply_limit) == (LABELS, 64)
    (tmp_path / "train.jsonl").unlink()  # the run needs the user's files no more
    assert run_files.read_knowledge(folder) == known
    _, samples, read_again = _read(folder.url, folder.url, None)
    assert read_again == known and len(samples["train"]) == 6


def test_it_reaches_evaluation_and_screening(config):
    class Workers(StubWorkers):
        async def evaluate(self, job):
            self.knowledge = job.knowledge
            return await super().evaluate(job)

    folder, workers = prepare(config), Workers(die_in="fine_tune iteration-0/adapter")
    orchestrator = Orchestrator(config, folder, workers.workers())
    with pytest.raises(RuntimeError, match="killed"):
        asyncio.run(orchestrator.run())
    assert workers.knowledge.labels == LABELS
    assert orchestrator._screen.brief.knowledge == workers.knowledge


def test_a_run_without_such_a_file_knows_nothing_beyond_its_samples(tmp_path):
    assert run_files.read_knowledge(Folder(str(tmp_path))) == Knowledge()


def test_other_tasks_have_no_such_file(tmp_path):
    folder = Folder(prepare(small_config(runs=str(tmp_path))))
    assert not folder.exists(run_files.KNOWLEDGE)


def test_replies_are_judged_by_what_is_known():
    items = [label_sample("card_arrival")] * 3
    replies = ["It has the intent card_arrival.", "card_arrival", "card_arrival or card_linking"]
    assert fails_all(replies, items, Knowledge(labels=LABELS)) == [False, False, True]
    assert fails_all(replies, items) == [True, False, True]


def test_evaluations_are_shared_by_what_replies_depend_on(config):
    def content(knowledge: Knowledge | None) -> str:
        return evaluation_content(config, None, [label_sample("card_arrival")], knowledge)

    assert content(None) == content(Knowledge()) == content(Knowledge(composed_fields=["a"], value_schema={}))
    different = [Knowledge(labels=["a"]), Knowledge(normalisation="case"), Knowledge(reply_limit=9), None]
    assert len({content(knowledge) for knowledge in different}) == 4


def test_configs_with_labels_share_what_they_read(config):
    assert [len(samples["train"]) for samples in read_each([config, config])] == [6, 6]
    assert check_config(json.loads(json.dumps(config.model_dump(mode="json"))), "x") == config
    assert "- card_linking" in dump_config(config)


@pytest.mark.parametrize(("key", "task"), [("labels", "label"), ("schema", "json")])
def test_a_key_that_no_task_reads_is_refused(tmp_path, key, task):
    (tmp_path / "schema.json").write_text("{}")
    paths = written(tmp_path, train=["a"], val=["b"])
    given = {"labels": ["a"], "schema": str(tmp_path / "schema.json")}[key]
    for split in paths:
        file = tmp_path / f"{split}.jsonl"
        file.write_text(file.read_text().replace('"label"', '"exact"'))
    with pytest.raises(ConfigError, match=rf"data\.{key}: no training sample has task {task}; leave this key out"):
        read_data(small_config(data=paths | {key: given}))


def test_files_of_labels_and_schemas_travel_with_a_job(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for key, changed in (("labels", {"labels": "labels.txt"}), ("schema", {"value_schema": "schema.json"})):
        data = config.data.model_copy(update={"train": "train.jsonl", "val": "val.jsonl", "test": None} | changed)
        with pytest.raises(ConfigError, match=rf"data\.{key}: .*no such file or folder"):
            check_files(
                [config.model_copy(update={"data": data})], Package(tmp_path, {"train.jsonl": 1, "val.jsonl": 1})
            )

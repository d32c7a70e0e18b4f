"""Fine-tuning that asks for one worker and up to two goes on with one when a node is lost for good."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import ray
from clusters import running_on, take_away, three_nodes

from pada_ray.config import FineTuneConfig, StudentConfig
from pada_ray.demo.domain import splits
from pada_ray.records import Sample
from pada_ray.runs import run_files
from pada_ray.storage import Folder
from pada_ray.student import fine_tune as module
from pada_ray.student.fine_tune import CHECKPOINTS, FineTuneJob, FineTuneReport, fine_tune

WORKER = "ray::RayTrainWorker"


@pytest.fixture
def cluster():
    cluster = three_nodes()
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def run(tmp_path) -> Folder:
    folder = Folder(str(tmp_path / "run"))
    drawn = splits(seed=0, train_size=21, eval_size=4)["train"]
    folder.write_records(run_files.split("train"), [Sample.model_validate(s) for s in drawn])
    return folder


def trained(run: Folder, name: str, **settings) -> FineTuneReport:
    common = {"epochs": 2, "learning_rate": 4e-3, "lora": {"dropout": 0}}
    return fine_tune(
        FineTuneJob(
            run=run.url,
            training_set=run_files.split("train"),
            adapter=name,
            previous_adapter=None,
            name=name,
            student=StudentConfig(model="demo", max_length=512, dtype="float32"),
            settings=FineTuneConfig.model_validate(common | settings),
            seed=0,
        )
    )


def waiting(train_on_worker):
    """`train_on_worker` of which two train no second epoch: they wait to be lost. One goes on."""

    def waits(config):
        import transformers
        from ray import train

        class Wait(transformers.TrainerCallback):
            def on_epoch_begin(self, args, state, control, **kwargs):
                if state.global_step and train.get_context().get_world_size() == 2:
                    time.sleep(600)

        init = transformers.Trainer.__init__

        def with_wait(self, *args, callbacks=(), **kwargs):
            init(self, *args, callbacks=[*callbacks, Wait()], **kwargs)

        transformers.Trainer.__init__ = with_wait
        train_on_worker(config)

    return waits


@pytest.mark.slow
def test_a_lost_node_leaves_one_worker_that_ends_with_the_same_losses(cluster, run, monkeypatch):
    alone = trained(run, "alone")
    monkeypatch.setattr(module, "train_on_worker", waiting(module.train_on_worker))

    def lose_a_node() -> None:
        checkpoints = Path(run.at(CHECKPOINTS))
        while not list(checkpoints.glob("elastic/checkpoint_*")):
            time.sleep(0.5)
        both = list(cluster.worker_nodes)
        assert all(running_on(node, WORKER) for node in both)
        take_away(cluster, both[0])

    thread = threading.Thread(target=lose_a_node, daemon=True)
    thread.start()
    report = trained(run, "elastic", workers=[1, 2])
    thread.join(timeout=10)
    assert len(cluster.worker_nodes) == 1
    assert report.workers == 1
    assert report.losses == pytest.approx(alone.losses, rel=1e-4)

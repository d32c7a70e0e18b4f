"""Fine-tuning that asks for one worker and up to two goes on with one when a node is lost for good."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import ray
from builders import fine_tune_job, write_demo
from clusters import running_on, take_away, three_nodes

from pada_ray.config import StudentConfig
from pada_ray.storage import Folder
from pada_ray.student import fine_tune as module
from pada_ray.student.fine_tune import CHECKPOINTS, FineTuneReport, fine_tune

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
    return write_demo(Folder(str(tmp_path / "run")), 21, 4)


def trained(run: Folder, name: str, **settings) -> FineTuneReport:
    student = StudentConfig(model="demo", max_length=512, dtype="float32")
    return fine_tune(fine_tune_job(run, student, name, lora={"dropout": 0}, **settings))


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

"""A run's student in one actor: it learns and replies as workers of their own do, and takes what it needs stage by
stage."""

from __future__ import annotations

import time

import pytest
import ray
import torch
from builders import fine_tune_job
from builders import small_config as config
from lost_workers import dying_in_the_second_epoch
from safetensors.torch import load_file

from actors import residence as module
from actors.residence import Residence
from pada_ray.config import EvaluationConfig, FineTuneConfig
from pada_ray.records import Sample
from pada_ray.runs import run_files
from pada_ray.student import fine_tune as fine_tuning
from pada_ray.student.checkpoints import CHECKPOINTS
from pada_ray.student.evaluation import evaluate
from pada_ray.student.evaluation_job import EvaluationJob
from pada_ray.student.fine_tune import FineTuneJob, FineTuneReport, fine_tune, forget_checkpoints
from pada_ray.student.resident import ResidentStudent


def job(run, student, name, **settings) -> FineTuneJob:
    return fine_tune_job(run, student, name, cpus_per_worker=1, **settings)


def evaluation(run, student, adapter=None, **settings) -> EvaluationJob:
    return EvaluationJob(
        run=run.url,
        splits={"val": run_files.split("val")},
        adapter=adapter,
        student=student,
        settings=EvaluationConfig(batch_size=8, max_new_tokens=24, **settings),
    )


class Dying(ResidentStudent):
    """Whose process ends once when the second epoch begins."""

    def fine_tune(self, job: FineTuneJob) -> FineTuneReport:
        from pathlib import Path

        dying = dying_in_the_second_epoch(fine_tuning.train_on_worker, Path(job.run) / "died")
        fine_tuning.train_on_worker = dying
        return super().fine_tune(job)


@pytest.fixture
def residence():
    made = Residence(config(fine_tune={"cpus_per_worker": 1}), "test", runs=1)
    yield made
    made.end()


def trained(residence, job) -> FineTuneReport:
    with residence.at_work(job.settings) as student:
        return ray.get(student.fine_tune.options(max_task_retries=job.settings.max_failures).remote(job))


def assert_free(cpus: float) -> None:
    """That so many CPUs are free, as soon as Ray has heard of it."""
    deadline = time.monotonic() + 20
    while (free := ray.available_resources().get("CPU", 0)) != cpus and time.monotonic() < deadline:
        time.sleep(0.1)
    assert free == cpus


def assert_equal_adapters(run, first, second):
    ours, theirs = (load_file(run.at(f"{name}/adapter_model.safetensors")) for name in (first, second))
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        assert torch.equal(value, theirs[key]), key


def test_it_learns_and_replies_as_workers_of_their_own(run, student, residence):
    alone = trained(residence, job(run, student, "resident"))
    assert fine_tune(job(run, student, "workers")) == alone.model_copy(update={"job": "workers"})
    assert_equal_adapters(run, "resident", "workers")
    asked = evaluation(run, student, "resident", cpus_per_worker=1)
    with residence.at_work(asked.settings):
        said = evaluate(asked.model_copy(update={"resident": residence.name}))
    assert said == evaluate(asked)
    assert len(said) == len(run.read_records(run_files.split("val"), Sample))


def test_one_that_dies_goes_on_from_the_last_epoch(run, student, residence, monkeypatch):
    undisturbed = trained(residence, job(run, student, "undisturbed"))
    residence.end()
    monkeypatch.setattr(module, "ResidentStudentActor", ray.remote(Dying))
    report = trained(residence, job(run, student, "disturbed"))
    assert (run.read_text("died"), report.steps) == ("3", 6)
    assert report.losses == undisturbed.losses
    assert_equal_adapters(run, "undisturbed", "disturbed")
    assert not [name for name in run.names() if name.startswith("checkpoint-")]
    forget_checkpoints(job(run, student, "disturbed"))
    assert not run.exists(f"{CHECKPOINTS}/disturbed")


def test_it_is_lost_for_good_after_as_many_failures_as_the_config_allows(run, student, residence, monkeypatch):
    monkeypatch.setattr(module, "ResidentStudentActor", ray.remote(Dying))
    with pytest.raises(ray.exceptions.RayActorError):
        trained(residence, job(run, student, "lost", max_failures=0))


def test_cpus_are_taken_stage_by_stage_and_shared_among_runs(residence):
    for runs, taken in ((1, 2), (2, 1), (3, 1)):
        auto = Residence(config(), f"test-{runs}", runs)
        with auto.at_work(FineTuneConfig()):
            assert_free(2 - taken)
        auto.end()
    with residence.at_work(FineTuneConfig(cpus_per_worker=1)):
        assert_free(1)
    assert_free(2)


@pytest.mark.parametrize(
    ("sections", "trains", "replies"),
    [
        ({}, True, True),
        ({"fine_tune": {"workers": 2}}, False, True),
        ({"fine_tune": {"deepspeed": "zero2"}}, False, True),
        ({"evaluation": {"workers": [1, 2]}}, True, False),
        ({"evaluation": {"backend": "vllm"}}, True, False),
        ({"student": {"quantization": "4bit"}}, False, False),
    ],
    ids=str,
)
def test_which_stages_it_does(sections, trains, replies):
    made = Residence(config(**sections), "test", runs=1)
    assert (made.trains, made.replies) == (trains, replies)

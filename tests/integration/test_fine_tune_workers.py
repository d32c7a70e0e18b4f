"""Two workers learn what one does, by DDP and DeepSpeed, also when one of them is lost on the way.

21 samples in steps of 8: each epoch ends with a step that is not full. No dropout, since every worker draws its own.
"""

from __future__ import annotations

import pytest
import torch
from builders import fine_tune_job, write_demo
from lost_workers import dying_in_the_second_epoch
from peft import PeftModel
from safetensors.torch import load_file

from pada_ray.storage import Folder
from pada_ray.student import fine_tune as module
from pada_ray.student.fine_tune import FineTuneReport, fine_tune
from pada_ray.student.model import Student, load_model

EPOCHS = 3


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Folder:
    return write_demo(Folder(str(tmp_path_factory.mktemp("workers") / "run")), 21, 4)


@pytest.fixture(scope="module")
def train(run, student):
    """Trains with some settings into the adapter folder `name`."""

    def of(name: str, **settings) -> FineTuneReport:
        given = {"epochs": EPOCHS, "lora": {"dropout": 0}, "max_failures": 1} | settings
        return fine_tune(fine_tune_job(run, student, name, **given))

    return of


@pytest.fixture(scope="module")
def alone(train) -> FineTuneReport:
    """One worker, one pass per step."""
    return train("alone")


@pytest.fixture
def lose_a_worker(monkeypatch, tmp_path):
    """The second worker dies once, when the second epoch begins. Gives the file in which it leaves its step."""
    dying = dying_in_the_second_epoch(module.train_on_worker, tmp_path / "died", rank=1)
    monkeypatch.setattr(module, "train_on_worker", dying)
    return tmp_path / "died"


def assert_same(run: Folder, student, name: str, report: FineTuneReport, alone: FineTuneReport) -> None:
    assert report.steps == alone.steps == 3 * EPOCHS
    assert len(report.losses) == EPOCHS
    assert report.losses == pytest.approx(alone.losses, rel=1e-4)
    assert alone.losses[0] > alone.losses[-1] > 0
    PeftModel.from_pretrained(load_model(student), run.at(name))
    Student(student, run.at(name))  # raises if the adapter leaves the logits as they are
    first, second = (load_file(run.at(f"{n}/adapter_model.safetensors")) for n in ("alone", name))
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert torch.allclose(value, second[key].to(value.dtype), atol=2e-3), key


def test_passes_counted_in_tokens_give_the_same(run, student, train, alone):
    assert_same(run, student, "tokens", train("tokens", tokens_per_pass=60), alone)


def test_zero2_gives_the_same_loss_curve_and_adapter(run, student, train, alone):
    report = train("zero2", workers=2, deepspeed="zero2")
    assert report.workers == 2
    assert_same(run, student, "zero2", report, alone)


@pytest.mark.slow
def test_ddp_that_accumulates_and_loses_a_worker_gives_the_same(run, student, train, alone, lose_a_worker):
    report = train("ddp", workers=2, gradient_accumulation=2)
    assert lose_a_worker.read_text() == "3"
    assert_same(run, student, "ddp", report, alone)


@pytest.mark.slow
def test_zero3_that_loses_a_worker_gives_the_same(run, student, train, alone, lose_a_worker):
    """Weights and optimiser state are split: the adapter is gathered, and the checkpoint holds every worker's part."""
    report = train("zero3", workers=2, deepspeed="zero3_offload")
    assert lose_a_worker.read_text() == "3"
    assert_same(run, student, "zero3", report, alone)

from __future__ import annotations

from pathlib import Path

import pytest
import ray
import torch
from lost_workers import dying_in_the_second_epoch
from peft import PeftModel

from pada_ray.config import FineTuneConfig
from pada_ray.records import Message, Sample
from pada_ray.runs import run_files
from pada_ray.student import fine_tune as module
from pada_ray.student.checkpoints import CHECKPOINTS
from pada_ray.student.fine_tune import FineTuneJob, fine_tune, fine_tune_here, forget_checkpoints
from pada_ray.student.model import Student, load_model


def job(run, student, iteration=0, previous=None, **settings) -> FineTuneJob:
    return FineTuneJob(
        run=run.url,
        training_set=run_files.split("train"),
        adapter=run_files.adapter(iteration),
        previous_adapter=previous,
        name=f"iteration-{iteration}",
        student=student,
        settings=FineTuneConfig(**{"epochs": 2, "learning_rate": 4e-3, **settings}),
        seed=0,
    )


def weights(folder: str) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(f"{folder}/adapter_model.safetensors")


def test_trains_an_adapter_that_plain_peft_loads_and_that_acts(run, student):
    report = fine_tune_here(job(run, student))
    assert (report.samples, report.left_out, report.steps) == (24, 0, 6)
    assert 0 < report.final_loss < 10
    adapter = run.at(run_files.adapter(0))
    adapted = PeftModel.from_pretrained(load_model(student), adapter)
    assert adapted.peft_config["default"].r == 32
    kinds = {name.split(".")[-3] for name in weights(adapter)}
    assert kinds == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    Student(student, adapter)  # raises if the adapter leaves the logits as they are


def test_a_training_of_one_step_learns_something(run, student):
    report = fine_tune_here(job(run, student, epochs=1, batch_size=24))
    assert report.steps == 1
    Student(student, run.at(run_files.adapter(0)))  # raises if the adapter leaves the logits as they are


def test_a_job_that_was_done_and_not_marked_goes_on_from_its_last_checkpoint(run, student):
    done = job(run, student)
    report = fine_tune(done)
    before = weights(run.at(run_files.adapter(0)))
    run.remove(run_files.adapter(0))
    assert fine_tune(done) == report
    after = weights(run.at(run_files.adapter(0)))
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    forget_checkpoints(done)
    assert not run.exists(f"{CHECKPOINTS}/iteration-0")


def test_the_same_job_gives_the_same_adapter_and_goes_on_from_a_checkpoint(run, student, monkeypatch):
    fine_tune(job(run, student, 0))
    marker = Path(run.url) / "died"
    monkeypatch.setattr(module, "train_on_worker", dying_in_the_second_epoch(module.train_on_worker, marker))
    report = fine_tune(job(run, student, 1))
    assert marker.read_text() == "3"
    assert report.steps == 6
    first, second = (weights(run.at(run_files.adapter(i))) for i in (0, 1))
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_goes_on_from_the_previous_adapter(run, student):
    fine_tune_here(job(run, student, 0))
    fine_tune_here(job(run, student, 1, previous=run_files.adapter(0), learning_rate=1e-9))
    first, second = (weights(run.at(run_files.adapter(i))) for i in (0, 1))
    for name, value in first.items():
        assert torch.allclose(value, second[name], atol=1e-5), name


def test_samples_that_are_too_long_are_left_out_and_counted(run, student):
    samples = run.read_records(run_files.split("train"), Sample)
    long = samples[0].model_copy(
        update={"messages": [Message(role="user", content="many words " * 400), samples[0].messages[-1]]}
    )
    run.write_records(run_files.split("train"), [long, *samples])
    report = fine_tune_here(job(run, student, epochs=1))
    assert (report.samples, report.left_out) == (24, 1)


def test_the_root_of_a_failure_is_told(run, student):
    from jobs.local.runner import root_cause
    from pada_ray.errors import ConfigError

    broken = student.model_copy(update={"chat_template": {"bos_token": "<x>"}, "max_length": 16})
    with pytest.raises(Exception) as e:
        ray.get(ray.remote(num_cpus=0)(fine_tune).remote(job(run, broken, max_failures=0)))
    root = root_cause(e.value)
    assert isinstance(root, ConfigError)
    assert "longer than 16 tokens" in str(root)

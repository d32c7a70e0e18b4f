from __future__ import annotations

import pytest
import ray

from pada_ray.config import EvaluationConfig
from pada_ray.records import Sample
from pada_ray.runs import run_files
from pada_ray.student.evaluation import evaluate
from pada_ray.student.evaluation_job import EvaluationJob
from pada_ray.student.model import Student
from pada_ray.tasks import get_task


def job(run, student, **settings) -> EvaluationJob:
    return EvaluationJob(
        run=run.url,
        splits={split: run_files.split(split) for split in ("train", "val", "test")},
        adapter=None,
        student=student,
        settings=EvaluationConfig(**{"batch_size": 8, "max_new_tokens": 24, **settings}),
    )


def test_every_item_of_every_split_in_order_as_the_student_replies_alone(run, student):
    predictions = evaluate(job(run, student))
    samples = [
        (split, s) for split in ("train", "val", "test") for s in run.read_records(run_files.split(split), Sample)
    ]
    assert [(p.split, p.id) for p in predictions] == [(split, s.id) for split, s in samples]
    alone = Student(student).replies([s.prompt for _, s in samples[:6]], max_new_tokens=24, batch_size=1)
    assert [p.reply for p in predictions[:6]] == [r.text for r in alone]
    task = get_task("math")
    assert [p.failed for p in predictions] == [
        task.fails(p.reply, s) for p, (_, s) in zip(predictions, samples, strict=True)
    ]


@pytest.mark.parametrize("workers", [2, [1, 2]], ids=str)
def test_any_number_of_workers_replies_as_one(run, student, workers):
    assert evaluate(job(run, student, workers=workers)) == evaluate(job(run, student))


def test_truncated_replies_are_marked(run, student):
    predictions = evaluate(job(run, student, max_new_tokens=1))
    assert all(p.truncated for p in predictions if p.reply)


def test_a_worker_that_is_lost_again_and_again_ends_the_evaluation(run, student):
    """Ray Data by itself tries for ever."""
    test = run_files.split("test")
    fatal = [s.model_copy(update={"task": "lost_workers:FatalOnAWorker"}) for s in run.read_records(test, Sample)]
    run.write_records(test, fatal)
    with pytest.raises(ray.exceptions.ActorDiedError):
        evaluate(job(run, student, max_new_tokens=None))

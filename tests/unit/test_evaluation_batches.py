from builders import sample

from pada_ray.config import EvaluationConfig, StudentConfig
from pada_ray.student.evaluation_job import EvaluationJob
from pada_ray.student.evaluation_transformers import EvaluationLoss, StudentWorker, batches_of


def of_length(length, task="math"):
    return sample(task, "x" * length, "1", "1", str(length))


def test_every_sample_is_in_one_batch_with_others_of_its_length_and_the_longest_go_first():
    samples = [of_length(n) for n in (3, 50, 1, 40, 2)]
    batches = batches_of(samples, 2)
    assert [b.positions for b in batches] == [[1, 3], [0, 4], [2]]
    assert [[s.id for s in b.samples] for b in batches] == [["50", "40"], ["3", "2"], ["1"]]


def test_a_batch_has_one_task_whose_limit_and_stop_texts_hold_for_all_of_it():
    batches = batches_of([of_length(4), of_length(3, "code"), of_length(2), of_length(1, "code")], 3)
    assert [[s.task for s in b.samples] for b in batches] == [["math", "math"], ["code", "code"]]


def test_a_worker_that_is_asked_for_losses_gives_one_for_each_sample_of_a_batch(tmp_path):
    job = EvaluationJob(
        run=str(tmp_path),
        splits={},
        adapter=None,
        student=StudentConfig(model="demo", max_length=64, dtype="float32"),
        settings=EvaluationConfig(),
    )
    batches = batches_of([of_length(n) for n in (9, 400, 5)], 2)
    answers = StudentWorker(job, "loss")({"batch": [batch.model_dump_json() for batch in batches]})["answers"]
    losses = [EvaluationLoss.model_validate_json(text) for texts in answers for text in texts]
    assert [each.position for each in losses] == [1, 0, 2]
    assert losses[0].loss is None
    assert all(each.loss is not None and each.loss > 0 for each in losses[1:])

from pada_ray.records import Message, Sample
from pada_ray.student.evaluation_transformers import batches_of


def of_length(length, task="math"):
    messages = [Message(role="user", content="x" * length), Message(role="assistant", content="1")]
    return Sample(id=str(length), task=task, messages=messages, answer="1")


def test_every_sample_is_in_one_batch_with_others_of_its_length_and_the_longest_go_first():
    samples = [of_length(n) for n in (3, 50, 1, 40, 2)]
    batches = batches_of(samples, 2)
    assert [b.positions for b in batches] == [[1, 3], [0, 4], [2]]
    assert [[s.id for s in b.samples] for b in batches] == [["50", "40"], ["3", "2"], ["1"]]


def test_a_batch_has_one_task_whose_limit_and_stop_texts_hold_for_all_of_it():
    batches = batches_of([of_length(4), of_length(3, "code"), of_length(2), of_length(1, "code")], 3)
    assert [[s.task for s in b.samples] for b in batches] == [["math", "math"], ["code", "code"]]

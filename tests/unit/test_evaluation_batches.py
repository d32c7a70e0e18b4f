from pada_ray.evaluation import batches_of
from pada_ray.records import Message, Sample


def of_length(length):
    messages = [Message(role="user", content="x" * length), Message(role="assistant", content="1")]
    return Sample(id=str(length), task="math", messages=messages, answer="1")


def test_every_sample_is_in_one_batch_with_others_of_its_length_and_the_longest_go_first():
    samples = [of_length(n) for n in (3, 50, 1, 40, 2)]
    batches = batches_of(samples, 2)
    assert [b.positions for b in batches] == [[1, 3], [0, 4], [2]]
    assert [[s.id for s in b.samples] for b in batches] == [["50", "40"], ["3", "2"], ["1"]]

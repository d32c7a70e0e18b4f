"""What pydantic does not hold for each record, and what works without it."""

import pickle

from pada_ray.records import Message, Sample


def sample(**other) -> Sample:
    messages = [Message(role="user", content="q"), Message(role="assistant", content="a")]
    return Sample(id="1", messages=messages, task="exact", answer="a", **other)


def test_names_of_given_fields_are_not_held_for_each_record():
    first, second = sample(), Sample.model_validate_json(sample(meta={"a": 1}).model_dump_json())
    assert first.model_fields_set is second.messages[0].model_fields_set
    first.model_copy(update={"id": "2"})
    assert first.model_fields_set == set()


def test_a_record_is_copied_pickled_and_written_whole():
    first = sample(meta={"a": 1})
    assert pickle.loads(pickle.dumps(first)) == first == first.model_copy()
    assert first.model_copy(update={"id": "2"}) == first.model_copy(update={"id": "2"}) != first
    assert Sample.model_validate_json(first.model_dump_json()) == first

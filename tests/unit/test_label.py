"""Task `label`: where labels come from, what is refused, and what a synthetic sample must have."""

from __future__ import annotations

import json
import re

import builders
import pytest
from builders import sample, small_config

from pada_ray.agents.screening import as_sample
from pada_ray.data.given import given_knowledge, knowledge_of
from pada_ray.data.splits import load_splits, read_data
from pada_ray.errors import DataError
from pada_ray.records import Candidate, Sample
from pada_ray.tasks import Knowledge, get_task, learn

EVERY_LETTER = "".join(map(chr, range(0x3000)))
LABELS = ["card_arrival", "card_linking", "age_limit"]


def item(i: int, label: str) -> dict:
    messages = [{"role": "user", "content": f"Message {i}?"}, {"role": "assistant", "content": label}]
    return {"id": f"s{i}", "messages": messages, "task": "label"}


def written(tmp_path, **splits: list[str]) -> dict[str, str]:
    """The paths of files with one item per label."""
    number = iter(range(1000))
    paths = {}
    for split, labels in splits.items():
        paths[split] = str(tmp_path / f"{split}.jsonl")
        (tmp_path / f"{split}.jsonl").write_text("\n".join(json.dumps(item(next(number), label)) for label in labels))
    return paths


def data_config(**data):
    return small_config(data=data).data


def label_sample(label: str) -> Sample:
    return sample("label", "?", label, label)


# --- where labels come from


def test_labels_are_given_as_a_list_or_a_file_or_learned(tmp_path):
    (tmp_path / "labels.txt").write_text("card_arrival\n\ncard_linking \r\nage_limit\n")
    paths = written(tmp_path, train=["card_linking", "card_arrival", "card_arrival"], val=["card_arrival"])
    train = load_splits(**paths)["train"]
    assert given_knowledge(data_config(**paths, labels=LABELS)).labels == LABELS
    assert given_knowledge(data_config(**paths, labels=str(tmp_path / "labels.txt"))).labels == LABELS
    assert knowledge_of(data_config(**paths, labels=LABELS), train).labels == LABELS
    assert knowledge_of(data_config(**paths), train).labels == ["card_arrival", "card_linking"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"labels\.txt: no labels in it"),
        ("a\nb\na\n", r"labels\.txt: label 'a' stands there twice"),
        (None, r"labels\.txt: no such file; check data\.labels"),
    ],
)
def test_a_file_of_labels_that_will_not_do(tmp_path, text, said):
    if text is not None:
        (tmp_path / "labels.txt").write_text(text)
    with pytest.raises(DataError, match=said):
        given_knowledge(data_config(train="a", val="b", labels=str(tmp_path / "labels.txt")))


def test_a_list_of_labels_that_will_not_do():
    for labels, said in (([], "no labels in it"), (["a", " "], "a label is empty"), (["a", "a"], "twice")):
        with pytest.raises(DataError, match=rf"data\.labels: .*{said}"):
            given_knowledge(data_config(train="a", val="b", labels=labels))


@pytest.mark.parametrize("split", ["val", "test"])
def test_an_unknown_label_of_val_or_test_is_refused_with_its_line(tmp_path, split):
    labels = {"val": ["card_arrival", "age_limit"], "test": ["card_linking"]}
    labels[split] = ["card_arrival", "card_arival"]
    paths = written(tmp_path, train=["card_arrival", "card_linking", "age_limit"], **labels)
    for known in ({}, {"labels": LABELS}):
        config = small_config(data=paths | known)
        with pytest.raises(DataError, match=rf"{split}\.jsonl:2: .*'card_arival' is none of the 3 labels") as e:
            read_data(config)
        assert "(nearest: 'card_arrival')" in str(e.value) and "\n" not in str(e.value)


def test_only_the_drawn_training_samples_teach(tmp_path):
    paths = written(tmp_path, train=["card_arrival", "card_linking", "age_limit"], val=["card_arrival"])
    assert len(learn(load_splits(**paths)["train"], Knowledge()).labels) == 3
    with pytest.raises(DataError, match=r"val\.jsonl:1: .*none of the 1 labels"):
        draws = [load_splits(**paths, regime=1, seed=seed) for seed in range(10)]
        assert all(draw["train"][0].answer == "card_arrival" for draw in draws)


def test_a_given_label_may_be_absent_from_train_and_train_may_not_go_beyond(tmp_path):
    paths = written(tmp_path, train=["card_arrival"], val=["age_limit"])
    assert len(load_splits(**paths, given=Knowledge(labels=LABELS))["val"]) == 1
    with pytest.raises(DataError, match=r"train\.jsonl:1: "):
        load_splits(**paths, given=Knowledge(labels=["age_limit"]))


# --- replies and synthetic samples


def test_without_labels_the_whole_reply_counts():
    task = get_task("label")
    right = ["card_arrival", "Label: Card arrival."]
    wrong = ["card_linking", "card_arrival or card_linking", "not card_arrival", ""]
    assert task.fails_many([*right, *wrong], [label_sample("card_arrival")] * 6) == [False] * 2 + [True] * 4


@pytest.mark.parametrize("name", ["i", "card_i", "i k s å σ θ"])
def test_letters_that_only_python_takes_for_the_same_break_no_reading(name):
    alike = {letter: re.findall(letter, EVERY_LETTER, re.IGNORECASE) for letter in name}
    task = get_task("label", Knowledge(labels=[name, "other"]))
    for letter, others in alike.items():
        read = {task.read(f"I take `{name.replace(letter, other)}` here") for other in others}
        assert name in read and read <= {name, None}
    assert {"İ", "ı"} <= set(alike["i"])


def test_a_reply_has_room_for_the_longest_label():
    assert learn([label_sample("a")], Knowledge()).reply_limit == get_task("label").max_new_tokens
    assert learn([label_sample("long_" * 40)], Knowledge()).reply_limit > 200


def test_writers_are_told_the_labels():
    assert get_task("label", Knowledge(labels=LABELS)).describe() == (
        "The reply is one of these 3 labels: card_arrival, card_linking, age_limit"
    )
    assert get_task("label").describe() == ""


def candidate(reply: str) -> Candidate:
    return builders.candidate(builders.batch(1), question="Where is it?", reply=reply)


def test_a_synthetic_samples_label_must_be_one_of_them():
    known, seed = Knowledge(labels=LABELS), label_sample("card_arrival")
    assert as_sample(candidate("card_linking"), seed, known).answer == "card_linking"
    with pytest.raises(ValueError, match=r"'card_lost' is none of the 3 labels"):
        as_sample(candidate("card_lost"), seed, known)
    task = get_task("label", known)
    assert task.check(label_sample("age_limit")).verdict == "unknown"
    assert task.check(label_sample("card_lost")).verdict == "wrong"


def test_a_written_label_in_other_letters_is_trained_on_as_the_label():
    made = as_sample(candidate("Card linking."), label_sample("card_arrival"), Knowledge(labels=LABELS))
    assert (made.answer, made.reference) == ("card_linking", "card_linking")

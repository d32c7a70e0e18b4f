"""What is known of a failure without any LLM, for every task, and what is counted of it."""

from __future__ import annotations

import json
import math

import pytest
from builders import sample

from pada_ray.findings.confusions import Confusion, FieldCounts, confused_pairs, field_counts
from pada_ray.records import Failure, Sample
from pada_ray.tasks import TASKS, Knowledge, get_task
from pada_ray.tasks.base import NOTHING
from pada_ray.tasks.json_schema import learned
from pada_ray.tasks.label import NO_LABEL

OPTIONS = "Which is a mammal?\nA. trout\nB. whale\nC. crow"
PASSAGE = "Passage: Ana moved to the city of Senj in 1870.\nQuestion: Where did Ana move?"
LABELS = Knowledge(labels=["card_arrival", "card_linking"])


def call(name: str, **arguments: object) -> str:
    return json.dumps({"name": name, "arguments": arguments})


CHECKED = "def check(candidate):\n    assert candidate(2) == 4"
FACTS: list[tuple[str, Sample, str, Knowledge | None, dict[str, str]]] = [
    (
        "math",
        sample("math", "?", "6 * 9 = 54. #### 54", "54"),
        "2 + 2 = 4, then 6 * 9 = 56, so 7 * 8 = 54. #### 56",
        None,
        {"expected": "54", "given": "56", "does not hold": "6 * 9 = 56"},
    ),
    ("math", sample("math", "?", "", "54"), "It is 6 * 8 = 48.", None, {"expected": "54", "given": "48"}),
    ("math", sample("math", "?", "", "54"), "I do not know.", None, {"expected": "54", "given": NOTHING}),
    (
        "multiple_choice",
        sample("multiple_choice", OPTIONS, "B", "B"),
        "The answer is A.",
        None,
        {"expected": "B. whale", "given": "A. trout"},
    ),
    (
        "multiple_choice",
        sample("multiple_choice", OPTIONS, "B", "B"),
        "crow",
        None,
        {"expected": "B. whale", "given": "C. crow"},
    ),
    (
        "multiple_choice",
        sample("multiple_choice", OPTIONS, "B", "B"),
        "all of them",
        None,
        {"expected": "B. whale", "given": NOTHING},
    ),
    (
        "extractive_qa",
        sample("extractive_qa", PASSAGE, "Senj", ["Senj", "city of Senj"]),
        "Ana moved to Senj",
        None,
        {"expected": "Senj", "given": "Ana moved to Senj", "overlap": "it contains the expected span"},
    ),
    (
        "extractive_qa",
        sample("extractive_qa", PASSAGE, "", ["the city of Senj"]),
        "the city",
        None,
        {"expected": "the city of Senj", "given": "the city", "overlap": "it is a part of the expected span"},
    ),
    (
        "extractive_qa",
        sample("extractive_qa", PASSAGE, "", ["city of Senj"]),
        "Senj in 1870",
        None,
        {"expected": "city of Senj", "given": "Senj in 1870", "overlap": "it shares words with the expected span"},
    ),
    (
        "extractive_qa",
        sample("extractive_qa", PASSAGE, "", ["Senj"]),
        "1870",
        None,
        {"expected": "Senj", "given": "1870", "overlap": "it shares no word with it"},
    ),
    ("extractive_qa", sample("extractive_qa", PASSAGE, "", ["Senj"]), "", None, {"expected": "Senj", "given": NOTHING}),
    (
        "label",
        sample("label", "?", "card_arrival", "card_arrival"),
        "Card linking.",
        LABELS,
        {"expected": "card_arrival", "given": "card_linking"},
    ),
    (
        "label",
        sample("label", "?", "card_arrival", "card_arrival"),
        "Label: card_lost",
        LABELS,
        {"expected": "card_arrival", "given": NO_LABEL, "reply": "card_lost"},
    ),
    (
        "json",
        sample("json", "?", "", call("Play", artist="Zoe", year=1999)),
        call("Play", artist="Bo", track="x"),
        None,
        {
            "expected function": "Play",
            "given function": "Play",
            "missing fields": "arguments.year",
            "wrong fields": "arguments.artist",
            "extra fields": "arguments.track",
            "expected values": "arguments.artist: 'Zoe', arguments.year: '1999'",
            "given values": "arguments.artist: 'Bo', arguments.track: 'x'",
        },
    ),
    (
        "json",
        sample("json", "?", "", '{"a": [1, 2]}'),
        '{"a": [2, 1]}',
        None,
        {"wrong order": "an array has the right values in another order, or an empty value differs"},
    ),
    (
        "json",
        sample("json", "?", "", '{"a": 1}'),
        '{"a": ',
        None,
        {"expected": '{"a": 1}', "given": NOTHING, "reply": "not well-formed JSON (Expecting value: line 1 column 6"},
    ),
    (
        "exact",
        sample("exact", "?", "", "SELECT a FROM b"),
        "SELECT  a FROM c",
        None,
        {
            "expected": "SELECT a FROM b",
            "given": "SELECT a FROM c",
            "first difference": "at character 15: expected 'b', given 'c'",
        },
    ),
    (
        "exact",
        sample("exact", "?", "", "one two"),
        "one",
        None,
        {
            "expected": "one two",
            "given": "one",
            "first difference": "at character 4: expected ' two', given the end",
        },
    ),
    ("exact", sample("exact", "?", "", "one"), "", None, {"expected": "one", "given": NOTHING}),
    ("judged", sample("judged", "?", "Sorry.", "Sorry."), "No.", None, {}),
    ("judged", sample("judged", "?", "Sorry.", "Sorry."), " ", None, {"given": NOTHING}),
    (
        "code",
        sample("code", "?", "", CHECKED, entry_point="double"),
        "```python\ndef double(x):\n    return x + 3\n```",
        None,
        {"failed": "AssertionError"},
    ),
    (
        "code",
        sample("code", "?", "", CHECKED, entry_point="double"),
        "```python\ndef double(x):\n    return y\n```",
        None,
        {"failed": "NameError"},
    ),
    ("code", sample("code", "?", "", CHECKED), " ", None, {"failed": "the reply holds no code"}),
]


@pytest.mark.parametrize(("task", "item", "reply", "knowledge", "facts"), FACTS)
def test_what_is_known_of_a_failure(task, item, reply, knowledge, facts):
    known = get_task(task, knowledge)
    assert known.fails(reply, item) or task == "judged"
    found = known.facts(item, reply)
    assert found.keys() == facts.keys()
    assert {name: text[: len(facts[name])] for name, text in found.items()} == facts


def test_every_task_is_among_them():
    assert {task for task, *_ in FACTS} == set(TASKS)


def test_a_users_own_task_has_facts_too():
    item = sample("parrot", "?", "a", ["a", "b"])
    assert get_task("test_tasks:Parrot").facts(item, "c") == {"expected": "a | b", "given": "c"}


# --- counted


def test_confused_pairs_most_frequent_first():
    def failure(expected: str, reply: str) -> Failure:
        return Failure(sample=sample("label", "?", expected, expected), reply=reply)

    pairs = [("card_arrival", "card_linking")] * 2 + [("card_linking", "?"), ("card_linking", "card_arrival")]
    failures = [*(failure(*pair) for pair in pairs), Failure(sample=sample("math", "?", "1", "1"), reply="2")]
    assert confused_pairs(failures, LABELS) == [
        Confusion("card_arrival", "card_linking", 2),
        Confusion("card_linking", "card_arrival", 1),
        Confusion("card_linking", NO_LABEL, 1),
    ]


def test_field_counts_and_what_is_made_of_them():
    answer = call("Play", artist="Zoe", tags=["x", "y"])
    replies = [answer, call("Play", artist="Bo", tags=["x"], year=1), "no JSON"]
    counts = field_counts([Failure(sample=sample("json", "?", "", answer), reply=r) for r in replies], Knowledge())
    assert counts == {
        "arguments.artist": FieldCounts(3, 2, 1),
        "arguments.tags[]": FieldCounts(6, 3, 3),
        "arguments.year": FieldCounts(0, 1, 0),
        "name": FieldCounts(3, 2, 2),
    }
    assert (counts["arguments.artist"].precision, counts["arguments.artist"].recall) == (1 / 2, 1 / 3)
    assert counts["arguments.artist"].f1 == pytest.approx(0.4)
    assert math.isnan(counts["arguments.year"].recall) and counts["arguments.year"].f1 == 0
    assert math.isnan(FieldCounts().f1)


# --- mistakes: what of it names labels, functions and kinds of error alone


@pytest.mark.parametrize(("task", "item", "reply", "knowledge", "facts"), FACTS)
def test_no_mistake_quotes_a_sample_or_a_reply(task, item, reply, knowledge, facts):
    known = get_task(task, knowledge)
    told = " ".join(m.text for m in known.mistakes(item, known.facts(item, reply)))
    texts = {"trout", "whale", "crow", "Senj", "Zoe", "Bo", "1999", "card_lost", "6 * 9", "56", "SELECT"}
    assert not [text for text in texts if text in told]


SCHEMA = Knowledge(value_schema=learned([json.loads(call("Play", artist="Zoe", year=1)), json.loads(call("Stop"))]))


@pytest.mark.parametrize(
    ("task", "item", "reply", "knowledge", "mistakes"),
    [
        (
            "label",
            sample("label", "?", "card_arrival", "card_arrival"),
            "card_linking",
            LABELS,
            [("expected card_arrival, replied card_linking", ["card_arrival", "card_linking"])],
        ),
        (
            "label",
            sample("label", "?", "card_arrival", "card_arrival"),
            "card_lost",
            LABELS,
            [(f"expected card_arrival, replied {NO_LABEL}", ["card_arrival"])],
        ),
        (
            "json",
            sample("json", "?", "", call("Play", artist="Zoe", year=1999)),
            call("Play", artist="Bo", secret="x"),
            SCHEMA,
            [("missing field year of Play", ["Play"]), ("wrong field artist of Play", ["Play"])],
        ),
        (
            "json",
            sample("json", "?", "", call("Play", artist="Zoe")),
            call("Stop"),
            SCHEMA,
            [("expected function Play, replied Stop", ["Play", "Stop"])],
        ),
        (
            "json",
            sample("json", "?", "", call("Play", artist="Zoe")),
            call("Play Zoe's song"),
            SCHEMA,
            [("expected function Play, replied an unknown one", ["Play"])],
        ),
        ("json", sample("json", "?", "", '{"a": 1}'), "no", None, [("the reply is no JSON", [])]),
        ("math", *FACTS[0][1:3], None, [("an equation of the reply does not hold", [])]),
        ("code", *FACTS[-2][1:3], None, [("NameError", [])]),
    ],
)
def test_the_mistakes_of_a_reply(task, item, reply, knowledge, mistakes):
    known = get_task(task, knowledge)
    assert [(m.text, m.kinds) for m in known.mistakes(item, known.facts(item, reply))] == mistakes


def test_the_kind_of_a_sample():
    assert get_task("label").kind(sample("label", "?", "a", "card_arrival")) == "card_arrival"
    assert get_task("json").kind(sample("json", "?", "", call("Play"))) == "Play"
    assert get_task("json").kind(sample("json", "?", "", '{"a": 1}')) is None
    assert get_task("math").kind(sample("math", "?", "", "1")) is None

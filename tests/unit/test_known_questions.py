import random

import pytest
from builders import conversation, math_sample
from hypothesis import example, given
from hypothesis import strategies as st
from rapidfuzz.distance import Indel

from pada_ray.agents.known_questions import KnownQuestions
from pada_ray.data.samples import question_key

QUESTIONS = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f", "g"]), max_size=30).map(" ".join)


def plain(known: dict[str, list[str]], sample, max_overlap):
    """The definition: compares with every known question."""
    words = sample.question.lower().split()
    overlap = max((Indel.normalized_similarity(words, other) for other in known.values()), default=0.0)
    if question_key(sample) in known or (max_overlap < 1 and overlap > max_overlap):
        return False
    known[question_key(sample)] = words
    return True


@pytest.mark.parametrize(
    ("one", "other"), [("What is C?", "What is C#?"), ("Is p & q?", "Is p | q?"), ("-x", "x"), ("😀", "😢")]
)
def test_questions_that_differ_in_signs_are_both_new(one, other):
    known = KnownQuestions([math_sample("a", one)])
    assert known.add(math_sample("b", other), max_overlap=1.0)
    assert not known.add(math_sample("c", other), max_overlap=1.0)


def test_near_repetitions_are_told_by_rouge_l():
    question = "a farmer has nine red hens and buys four more from a man at the market in town"
    known = KnownQuestions([math_sample("a", question)])
    one_word_off = math_sample("b", question.replace("town", "village"))
    assert not known.add(one_word_off, max_overlap=0.9)
    assert known.add(one_word_off, max_overlap=1.0)
    assert not known.add(one_word_off, max_overlap=1.0)
    assert known.add(math_sample("c", "how many days are there in nine weeks"), max_overlap=0.9)


def test_what_is_known_elsewhere_or_added_from_there_counts():
    known = KnownQuestions([math_sample("a", "one two three four")])
    group = KnownQuestions(known=known)
    near = math_sample("b", "one two three five")
    assert not group.add(near, max_overlap=0.7)
    assert group.add(math_sample("c", "six seven eight nine"), max_overlap=0.7)
    known.update(group)
    assert not known.add(math_sample("d", "six seven eight ten"), max_overlap=0.7)


def test_conversations_repeat_each_other_in_all_that_the_user_says():
    known = KnownQuestions([conversation("a", "I lost my card.", "Shall we send a new one?", "Yes, please.")])
    assert known.add(conversation("b", "Is there a room for two?", "Shall I book it?", "Yes, please."), 0.95)
    assert not known.add(conversation("c", "Is there a room for two?", "Now?", "yes, please."), 0.95)
    text = "many words " * 100
    assert known.add(conversation("d", text, "Yes?", "Who comes?"), 0.95)
    assert known.add(conversation("e", text, "Yes?", "What for?"), 0.95)
    assert not known.add(conversation("f", f"So {text}", "Yes?", "What for?"), 0.95)


@given(
    st.lists(QUESTIONS, max_size=8),
    st.lists(QUESTIONS, max_size=8),
    st.sampled_from([0.0, 0.25, 0.5, 2 / 3, 0.7, 0.75, 0.8, 0.9, 0.95, 1.0]),
)
@example([], ["a", "a a"], 2 / 3)  # equal but for rounding
def test_the_index_decides_as_the_plain_definition_does(old, new, max_overlap):
    old_samples = [math_sample(f"o{i}", question) for i, question in enumerate(old)]
    known = KnownQuestions(old_samples)
    by_key = {question_key(s): s.question.lower().split() for s in old_samples}
    for i, question in enumerate(new):
        sample = math_sample(f"n{i}", question)
        assert known.add(sample, max_overlap) == plain(by_key, sample, max_overlap)


@pytest.mark.parametrize("max_overlap", [0.3, 0.7, 0.9, 0.95])
def test_near_repetitions_of_long_questions_are_told_apart_as_by_the_definition(max_overlap):
    chance = random.Random(0)
    questions = [[f"w{chance.randrange(40)}" for _ in range(chance.randint(20, 60))] for _ in range(20)]
    old = [math_sample(f"o{i}", " ".join(words)) for i, words in enumerate(questions)]
    known, by_key = KnownQuestions(old), {question_key(s): s.question.split() for s in old}
    decisions = set()
    for i in range(200):
        words = list(chance.choice(questions))
        for _ in range(chance.randint(0, 12)):
            words[chance.randrange(len(words))] = f"w{chance.randrange(50)}"
        sample = math_sample(f"n{i}", " ".join(words))
        is_new = known.add(sample, max_overlap)
        assert is_new == plain(by_key, sample, max_overlap)
        decisions.add(is_new)
    assert decisions == {True, False} or max_overlap == 0.3

"""Rewrites of data that is not the demo's keep its label, and the judge and the diagnosis can handle it."""

import json
import random
from pathlib import Path

import pytest

from pada_ray.config.teacher import TeacherSettings
from pada_ray.records import Sample
from pada_ray.tasks import get_task
from pada_ray.teacher import forms
from pada_ray.teacher.diagnose import analyse_failures
from pada_ray.teacher.judge import examine
from pada_ray.teacher.names import exchange_names
from pada_ray.teacher.read_prompt import Prompt
from pada_ray.teacher.rewrite_code import normal_form, renamable, rename_variables
from pada_ray.teacher.rewrites import rewrite

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
FILES = {
    "arc_challenge": "train_300",
    "hellaswag": "train_300",
    "squad": "train_300",
    "gsm8k": "train_300",
    "humaneval": "train_limited",
}
FORMS = {
    "arc_challenge": "multiple_choice",
    "hellaswag": "multiple_choice",
    "squad": "extractive",
    "gsm8k": "number",
    "humaneval": "code",
}


def samples_of(name: str, count: int = 60) -> list[Sample]:
    path = DATA / name / f"{FILES[name]}.jsonl"
    if not path.exists():
        pytest.skip(f"{path.name} of {name} is not in the folder shared/data beside the repository")
    lines = path.read_text(encoding="utf-8").splitlines()[:count]
    return [Sample.model_validate_json(line) for line in lines]


def plain(sample: Sample) -> list[dict]:
    return [message.model_dump() for message in sample.messages]


def checks_of(sample: Sample) -> str | None:
    return sample.answer if sample.task == "code" else None


def as_sample(seed: Sample, messages: list[dict], answer) -> Sample:
    return Sample(id=seed.id, messages=messages, task=seed.task, answer=answer, meta=seed.meta)


def pair(seed: Sample, messages: list[dict]) -> dict:
    return {"original": {"messages": plain(seed)}, "synthetic": {"messages": messages}}


@pytest.mark.parametrize("name", FILES)
def test_forms_are_told_from_the_text(name):
    for sample in samples_of(name):
        assert forms.form_of(plain(sample), checks_of(sample)) == FORMS[name]


@pytest.mark.parametrize("name", FILES)
def test_rewrites_differ_from_the_seed_and_from_each_other(name):
    for sample in samples_of(name, 15):
        new = [rewrite(plain(sample), checks_of(sample), random.Random(i), wrong=False) for i in range(6)]
        questions = {messages[-2]["content"] for messages in new}
        assert sample.question not in questions and len(questions) > 2
        again = rewrite(plain(sample), checks_of(sample), random.Random(0), wrong=False)
        assert again == new[0]


@pytest.mark.parametrize("name", FILES)
def test_the_judge_passes_right_rewrites_and_turns_down_wrong_ones(name):
    for i, sample in enumerate(samples_of(name, 20)):
        for wrong in (False, True):
            new = rewrite(plain(sample), checks_of(sample), random.Random(i), wrong)
            verdict = examine(pair(sample, new), None)
            assert (verdict.fault is not None) == wrong, (sample.id, verdict, new)
            assert verdict.off_form is None


@pytest.mark.parametrize("name", ["arc_challenge", "hellaswag"])
def test_the_letter_moves_with_its_option(name):
    task = get_task("multiple_choice")
    moved = 0
    for i, sample in enumerate(samples_of(name)):
        new = as_sample(sample, rewrite(plain(sample), None, random.Random(i), wrong=False), "A")
        letter = task.read(new.reference)
        assert task.check(new).verdict != "wrong"
        before = {o.letter: o.text for o in forms.options_of(sample.question)}
        after = {o.letter: o.text for o in forms.options_of(new.question)}
        old_names = {"role": "user", "content": before[sample.answer]}
        if exchange_names([old_names], random.Random(0))[0] == old_names:  # no name was exchanged
            assert after[letter] == before[sample.answer]
        assert len(after) == len(before)
        moved += letter != sample.answer
    assert moved > 30


def test_options_that_speak_of_others_keep_their_places():
    question = "Question: Which?\n\nA. iron\nB. gold\nC. both A and B\n\nAnswer with the letter."
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": "C"}]
    new = rewrite(messages, None, random.Random(0), wrong=False)
    assert [o.text for o in forms.options_of(new[0]["content"])] == ["iron", "gold", "both A and B"]
    assert new[1]["content"] == "C" and new[0]["content"] != question


def test_numbers_are_kept_and_the_answer_with_them():
    task = get_task("math")
    for i, sample in enumerate(samples_of("gsm8k")):
        new = rewrite(plain(sample), None, random.Random(i), wrong=False)
        assert forms.numbers_of(new[0]["content"]) == forms.numbers_of(sample.question)
        assert not task.fails(new[1]["content"], sample)
        wrong = rewrite(plain(sample), None, random.Random(i), wrong=True)
        assert task.fails(wrong[1]["content"], sample)


def test_spans_stay_in_the_passage():
    task = get_task("extractive_qa")
    for i, sample in enumerate(samples_of("squad")):
        new = as_sample(sample, rewrite(plain(sample), None, random.Random(i), wrong=False), sample.answer)
        assert not task.fails(new.reference, sample) and task.check(new).verdict != "wrong"
        assert new.question.startswith("Read the passage") and "\n\nPassage: " in new.question
        wrong = as_sample(sample, rewrite(plain(sample), None, random.Random(i), wrong=True), sample.answer)
        assert task.fails(wrong.reference, sample) and task.check(wrong).verdict != "wrong"


def test_rewritten_code_still_passes_its_tests_and_broken_code_mostly_does_not():
    task = get_task("code")
    seeds = samples_of("humaneval", 12)
    replies = [
        [rewrite(plain(s), checks_of(s), random.Random(i), wrong)[-1]["content"] for i, s in enumerate(seeds)]
        for wrong in (False, True)
    ]
    assert task.fails_many(replies[0], seeds) == [False] * len(seeds)
    assert sum(task.fails_many(replies[1], seeds)) >= 0.7 * len(seeds)


CODE = """def f(values, key, limit=3):
    total = 0
    for value in values:
        total += value.key
    print(f"{limit}", sep=key)
    return total
"""


def test_only_names_that_are_safe_to_rename_are_renamed():
    assert renamable(CODE, "f(values=[1])") == ["total", "value"]
    assert renamable(CODE, "f([1])") == ["total", "value", "values"]
    assert renamable("def f(:", "") == []


def test_renaming_is_the_same_in_question_and_reply():
    signature = CODE.split("\n")[0] + "\n    ..."
    question, reply = f"Complete:\n```python\n{signature}\n```", f"```python\n{CODE}```"
    new_question, new_reply = rename_variables(question, reply, "f([1])", random.Random(0))
    assert new_question != question and new_question.split("\n")[2] in new_reply
    assert new_question.split("\n")[2] != CODE.split("\n")[0]
    assert normal_form(forms.code_of(new_reply)) == normal_form(CODE)


def test_names_are_exchanged_everywhere_alike():
    messages = [
        {"role": "user", "content": "Anna gives Peter's pen to Anna."},
        {"role": "assistant", "content": "Peter and Anna"},
    ]
    new = exchange_names(messages, random.Random(0))
    second, first = new[1]["content"].split(" and ")
    assert new[0]["content"] == f"{first} gives {second}'s pen to {first}."
    assert {first, second}.isdisjoint({"Anna", "Peter"})


def test_more_names_than_there_are_others_for():
    anna = [{"role": "user", "content": "Anna"}]
    others = {exchange_names(anna, random.Random(seed))[0]["content"] for seed in range(2000)}
    assert len(others) > 50
    everyone = [{"role": "user", "content": " ".join(["Anna", *sorted(others)])}]
    assert exchange_names(everyone, random.Random(0)) == everyone


@pytest.mark.parametrize(
    ("reply", "letter"), [("B", "B"), ("I think (C).", "C"), ("none", None), ("x" * 41 + " B", None)]
)
def test_letters_of_short_replies(reply, letter):
    assert forms.letter_of(reply) == letter


def test_free_text_is_reworded_and_a_wrong_one_is_cut():
    messages = [
        {"role": "user", "content": "Anna, describe the sea."},
        {"role": "assistant", "content": "It is wide and blue and deep."},
    ]
    right, wrong = (rewrite(messages, None, random.Random(0), w) for w in (False, True))
    assert right[1] == messages[1] and right[0] != messages[0]
    assert len(wrong[1]["content"]) < len(right[1]["content"])
    assert examine({"original": {"messages": messages}, "synthetic": {"messages": wrong}}, None).fault


CHOICE = "Question: Which animal lives in water?\n\nA. a trout\nB. a cow that drinks water\nC. a goat"
PASSAGE = "Passage: The tower was built in 1889 by the firm of Eiffel in Paris.\n\nQuestion: When was it built?"


@pytest.mark.parametrize(
    ("question", "truth", "response", "telling"),
    [
        (CHOICE, "A", "B", "tempting option"),
        (CHOICE, "B", "A", "distractor"),
        (CHOICE, "A", "no idea", "answer"),
        (PASSAGE, "1889", "in 1889", "too long"),
        (PASSAGE, "the firm of Eiffel", "Eiffel", "too short"),
        (PASSAGE, "1889", "Paris", "elsewhere"),
        ("What is 2 + 3 * 4?", "3 * 4 = 12, 2 + 12 = 14\n#### 14", "3 * 4 = 13\n#### 15", "miscalculat"),
        ("What is 2 + 3 * 4?", "3 * 4 = 12, 2 + 12 = 14\n#### 14", "3 * 4 = 12\n#### 12", "intermediate"),
        ("What is 2 + 3 * 4?", "3 * 4 = 12, 2 + 12 = 14\n#### 14", "I do not know", "answer"),
        ("Write f.", "```python\ndef f(): return 1\n```", "```python\ndef f(: return 1\n```", "parse"),
        ("Write f.", "```python\ndef f(): return 1\n```", "```python\ndef f(): return 2\n```", "logic"),
        ("Say hello.", "Hello there!", "Goodbye.", "content"),
        ("Say hello.", "Hello there!", "", "answer"),
    ],
)
def test_diagnoses_of_other_data(question, truth, response, telling):
    failure = {"sample_idx": 7, "question": question, "response": response, "ground_truth": truth}
    prompt = Prompt("error_analysis", {"failures": [failure]}, 0)
    ((name, analysis),) = analyse_failures(prompt, TeacherSettings(misread_rate=0), "key").items()
    assert name == "7" and telling in analysis["error_cause"]


@pytest.mark.parametrize("name", FILES)
def test_diagnoses_group_and_quote_nothing(name):
    samples = samples_of(name, 60)
    failures = [
        {"sample_idx": i, "question": s.question, "response": "", "ground_truth": s.reference}
        for i, s in enumerate(samples)
    ]
    prompt = Prompt("error_analysis", {"failures": failures}, 0)
    analyses = list(analyse_failures(prompt, TeacherSettings(), "key").values())
    assert 1 < len({analysis["scenario_category"] for analysis in analyses}) < 40
    runs = set()
    for sample in samples:
        words = sample.question.lower().split()
        runs |= {tuple(words[i : i + 8]) for i in range(len(words) - 7)}
    words = json.dumps(analyses).lower().split()
    assert not runs & {tuple(words[i : i + 8]) for i in range(len(words) - 7)}

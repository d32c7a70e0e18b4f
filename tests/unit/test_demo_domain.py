"""The demo's problems, their splits, and the shipped student's tokenizer."""

from __future__ import annotations

import random
from collections import Counter
from itertools import islice

import pytest
from transformers import AutoConfig, AutoTokenizer, GenerationConfig

from pada_ray.demo import STUDENT
from pada_ray.demo.corpus import documents
from pada_ray.demo.domain import KINDS, Problem, make, read, splits
from pada_ray.demo.tokenizer import train_tokenizer
from pada_ray.demo.wordings import TEMPLATES
from pada_ray.records import Sample

SEEDS = range(60)


def kinds_of(lines: list[dict]) -> Counter[str]:
    problems = [read(line["messages"][0]["content"]) for line in lines]
    return Counter(p.kind for p in problems if p is not None)


@pytest.fixture(scope="module")
def data() -> dict[str, list[dict]]:
    return splits(seed=4)


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
@pytest.mark.parametrize("wording", ["task", "teacher"])
def test_read_finds_again_what_make_made(kind, wording):
    for seed in SEEDS:
        made = make(kind, wording, random.Random(seed))
        assert read(made.question) == made


def test_read_knows_no_other_questions():
    assert read("What is the capital of France?") is None
    assert read("Turn 9 weeks into feet. What number do you get?") is None
    for kind in KINDS:
        assert read(make(kind.name, "pretraining", random.Random(0)).question) is None


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_step_is_right_and_the_last_is_the_answer(kind):
    for seed in SEEDS:
        problem = make(kind.name, "task", random.Random(seed))
        for step in problem.steps.split(". "):
            expression, result = step.split(" = ")
            left, operator, right = expression.split()
            worked = {
                "+": int(left) + int(right),
                "-": int(left) - int(right),
                "*": int(left) * int(right),
                "/": int(left) / int(right),
            }[operator]
            assert worked == int(result)
        assert problem.reply.endswith(f"= {problem.answer}. Answer: {problem.answer}")


def test_answers_written_by_hand():
    questions = {
        "Anna has 23 pens, which is 9 more than Ben has. How many pens does Ben have?": (
            "reversed_more",
            "23 - 9 = 14. Answer: 14",
        ),
        "Anna has 5 hats. Ben has 3 more hats than Anna. How many hats do they have together?": (
            "comparison_then_total",
            "5 + 3 = 8. 5 + 8 = 13. Answer: 13",
        ),
        "Leo asks: How many weeks are 21 days?": ("small_to_large", "21 / 7 = 3. Answer: 3"),
        "Anna has 5 hats and 30 cups. Anna gets 4 more hats. How many hats does Anna have now?": (
            "irrelevant_number",
            "5 + 4 = 9. Answer: 9",
        ),
    }
    for question, expected in questions.items():
        problem = read(question)
        assert problem is not None and (problem.kind, problem.reply) == expected


def test_a_problem_can_be_worded_anew_with_its_numbers():
    rng = random.Random(0)
    for kind in KINDS:
        original = make(kind.name, "task", rng)
        reworded = make(kind.name, "teacher", rng, fixed=original.fields)
        assert reworded.question != original.question
        assert (reworded.steps, reworded.answer) == (original.steps, original.answer)


def test_two_people_of_a_story_that_is_told_anew_have_two_names():
    original = make("gain", "task", random.Random(0))
    for seed in SEEDS:
        told = make("reversed_fewer", "teacher", random.Random(seed), fixed=original.fields)
        assert told.fields["x"] == original.fields["x"] != told.fields["y"]


def test_numbers_that_do_not_fit_the_kind_are_refused():
    with pytest.raises(ValueError, match="sharing"):
        make("sharing", "task", random.Random(0), fixed={"a": 17, "b": 5})


def test_no_template_stands_in_two_wordings():
    everything = [text for templates in TEMPLATES.values() for wording in templates for text in wording]
    assert len(everything) == len(set(everything))
    assert set(TEMPLATES) == {kind.name for kind in KINDS}


def test_splits_hold_the_stated_shares(data):
    rare = {kind.name for kind in KINDS if kind.rare}
    absent = {kind.name for kind in KINDS if kind.absent}
    large = {kind.name for kind in KINDS if kind.large}
    train = kinds_of(data["train"])
    assert {kind: train[kind] for kind in rare} == {kind: 0 if kind in absent else 10 for kind in rare}
    assert sum(train[kind] for kind in large) == 50
    for split in ("val", "test"):
        counts = kinds_of(data[split])
        assert counts.total() == 500
        assert sum(counts[kind] for kind in rare) == 300

    none_absent = kinds_of(splits(seed=4, gap="rare")["train"])
    assert {kind: none_absent[kind] for kind in rare} == dict.fromkeys(rare, 5)


def test_without_a_gap_train_is_drawn_as_val_and_test_are(data):
    without = splits(seed=4, train_size=500, gap="none")
    assert kinds_of(without["train"]) == kinds_of(without["val"]) == kinds_of(without["test"])
    assert (without["val"], without["test"]) == (data["val"], data["test"])


def test_splits_share_no_question_and_shorter_trains_are_prefixes(data):
    questions = [line["messages"][0]["content"] for lines in data.values() for line in lines]
    assert len(questions) == len(set(questions)) == 2000
    shorter = splits(seed=4, train_size=300)
    assert shorter == {**data, "train": data["train"][:300]}


def test_splits_depend_on_the_seed_alone(data):
    assert splits(seed=4) == data
    assert splits(seed=5)["val"] != data["val"]


def test_lines_are_samples_without_a_trace_of_their_kind(data):
    for split, lines in data.items():
        for number, line in enumerate(lines):
            sample = Sample.model_validate(line)
            problem = read(sample.question)
            assert problem is not None
            assert (sample.reference, sample.answer) == (problem.reply, str(problem.answer))
            assert (sample.id, sample.task, sample.meta) == (f"{split}-{number:04d}", "math", {})


def test_pretraining_never_answers_a_question_of_the_task_or_the_teacher():
    for document in islice(documents(random.Random(0)), 3000):
        if isinstance(document, str):
            assert "Answer" not in document
        else:
            assert read(document[0][1]) is None


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(STUDENT)


@pytest.mark.parametrize(
    "text",
    [
        "Anna has 23 pens. 23 - 9 = 14. Answer: 14",
        "def f(x):\n    if x:\n\treturn  [x]\n\n\n",
        " leading,  double and trailing spaces  ",
        "naïve café, 東京, 🙂, ½ × ²,\u00a0\u200b\r\n",
        "don 't join what was apart ; it 's lossless",
        "",
    ],
)
def test_the_tokenizer_loses_nothing(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text), skip_special_tokens=True) == text


def test_digits_are_split_singly(tokenizer):
    assert [tokenizer.decode(i) for i in tokenizer.encode("1024")] == list("1024")


def test_a_prompt_is_the_prefix_of_its_conversation_which_ends_in_eos(tokenizer):
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "2 + 2?"},
        {"role": "assistant", "content": "2 + 2 = 4. Answer: 4"},
    ]
    prompt = tokenizer.apply_chat_template(turns[:-1], add_generation_prompt=True)["input_ids"]
    whole = tokenizer.apply_chat_template(turns)["input_ids"]
    assert whole[: len(prompt)] == prompt
    reply = whole[len(prompt) :]
    assert reply[-1] == tokenizer.eos_token_id != tokenizer.pad_token_id
    assert tokenizer.decode(reply, skip_special_tokens=True) == "2 + 2 = 4. Answer: 4"


def test_the_student_is_small_and_ends_its_turns(tokenizer):
    config = AutoConfig.from_pretrained(STUDENT)
    generation = GenerationConfig.from_pretrained(STUDENT)
    assert config.max_position_embeddings == 2048
    assert (generation.eos_token_id, generation.pad_token_id) == (tokenizer.eos_token_id, tokenizer.pad_token_id)
    assert (STUDENT / "model.safetensors").stat().st_size <= 3_000_000


def test_the_tokenizer_is_trained_the_same_again():
    texts = ["Anna has 23 pens", "Ben gives away 9 pens"]
    assert train_tokenizer(texts).get_vocab() == train_tokenizer(texts).get_vocab()


def test_a_problem_replies_with_steps_and_answer():
    assert Problem("gain", "?", "2 + 3 = 5", 5).reply == "2 + 3 = 5. Answer: 5"

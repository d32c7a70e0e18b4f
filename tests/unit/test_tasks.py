from __future__ import annotations

from fractions import Fraction

import pytest
from builders import sample
from hypothesis import given
from hypothesis import strategies as st

from pada_ray.errors import ConfigError, DataError
from pada_ray.records import Message, Sample
from pada_ray.tasks import TASKS, Check, Knowledge, Task, get_task
from pada_ray.tasks.equations import equations, evaluate
from pada_ray.tasks.extractive_qa import normalise, passage_of
from pada_ray.tasks.multiple_choice import options_of
from pada_ray.tasks.numerals import number, numbers, show


class Parrot(Task):
    name, max_new_tokens = "parrot", 8

    def read(self, reply: str) -> str | None:
        return reply

    def fails(self, reply: str, sample: Sample) -> bool:
        return reply != sample.answer

    def answer_of(self, messages):  # type: ignore[no-untyped-def]
        return messages[-1].content

    def check(self, sample: Sample) -> Check:
        return Check("unknown", "")


class NeedsArguments(Parrot):
    def __init__(self, size: int) -> None:
        self.size = size


# --- get_task


def test_tasks_go_by_their_names():
    assert {name: get_task(name).name for name in TASKS} == {name: name for name in TASKS}


def test_a_users_own_task():
    task = get_task(f"{__name__}:Parrot")
    samples = [sample("parrot", "?", "a", "a"), sample("parrot", "?", "b", "c")]
    assert task.fails_many(["a", "b"], samples) == [False, True]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("maths", "use one of math, multiple_choice, extractive_qa, code"),
        ("no_such_module:Task", "cannot be imported"),
        (f"{__name__}:Absent", "cannot be imported"),
        (f"{__name__}:sample", "not a class derived from"),
        (f"{__name__}:NeedsArguments", "without arguments"),
        (":", "cannot be imported"),
    ],
)
def test_a_task_that_is_none(name, said):
    with pytest.raises(ConfigError, match=said):
        get_task(name)


# --- math: numbers


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("72", 72),
        (" $1,250.50. ", Fraction("1250.5")),
        ("-3", -3),
        ("−3", -3),
        ("-$3", -3),
        ("$-3", -3),
        ("3.0", 3),
        (".5", Fraction(1, 2)),
        ("1/2", Fraction(1, 2)),
        ("2 1/2", Fraction(5, 2)),
        (r"\frac{3}{4}", Fraction(3, 4)),
        ("25%", 25),
        ("1 000", 1000),
        ("**18**", 18),
        ("1/0", None),
        ("two", None),
        ("", None),
        ("9" * 5000, None),
    ],
)
def test_number(text, value):
    assert number(text) == value


def test_numbers_in_a_text():
    text = "From 5-3 and 10-year x2 to -4, 1,000 or 1, 2 (7.5) 3/4."
    assert numbers(text) == [5, 3, 10, -4, 1000, 1, 2, Fraction("7.5"), Fraction(3, 4)]


@given(st.fractions(max_denominator=10**6))
def test_show_and_number_are_inverse(value):
    assert number(show(value)) == value


@given(st.integers(-(10**12), 10**12), st.sampled_from(["{}", "${}", "{}.00", " {}.", "{} apples", "x = {}"]))
def test_a_final_number_is_read_whatever_it_wears(value, form):
    for digits in (str(value), f"{value:,}"):
        assert get_task("math").read(f"2 + 2 = 4\n#### {form.format(digits)}") == str(value)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("3 + 4 = 7\n#### 7", "7"),
        ("#### 5\nNo: #### 6", "6"),
        ("#### 18 dollars per day", "18"),
        ("#### 3 + 4 = 7 apples", "7"),
        ("#### none", None),
        ("####", None),
        ("He pays 5. Answer: $12.50 for 3 nights", "12.5"),
        ("The answer is 3.0, not 4", "3"),
        (r"So \boxed{\frac{1}{2}} of 8", "0.5"),
        (r"The answer is \boxed{42}.", "42"),
        ("First 3, then 1,234.", "1234"),
        ("The answer is simple: 3 of them", "3"),
        ("I do not know", None),
        ("", None),
    ],
)
def test_math_reads_the_final_number(reply, answer):
    assert get_task("math").read(reply) == answer


def test_math_compares_as_numbers():
    task, item = get_task("math"), sample("math", "?", "#### 3", "3")
    assert not task.fails("#### 3.0", item)
    assert task.fails("#### 4", item)
    assert task.fails("none", item)
    assert task.answer_of(item.messages) == "3"
    with pytest.raises(DataError, match=r"s1.*not a number"):
        task.fails("#### 3", sample("math", "?", "#### 3", "three"))
    with pytest.raises(DataError, match="one non-empty string"):
        task.fails("#### 3", sample("math", "?", "#### 3", ["3"]))


# --- math: equations


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2 + 3*4", 14),
        ("(2+3)(4-1)", 15),
        ("-2^2", -4),
        ("$1,000/8", 125),
        ("1.1 + 2.2", Fraction("3.3")),
        ("1/0", None),
        ("2^999", None),
        ("9" * 30, None),
        ("2 3", None),
        ("a + 1", None),
        ("(" * 250, None),
        ("", None),
    ],
)
def test_evaluate(expression, value):
    assert evaluate(expression) == value


@pytest.mark.parametrize(
    "text",
    [
        "$80 x 30% = $24",
        "$80 - 25% = $60",
        "200 + 10% = 220",
        "50 - 20% = 40",
        "$1,200 - 12.5% = $1,050",
        "100 - 10% - 5% = 85.5",
        "60 + 60 - 25% = 90",
        "(200 - 10%) * 2 = 360",
        "5 + (50 - 20%) = 45",
        "80 - 25% + 5 = 65",
        "100 + 50 - 20% = 140",
        "140 = 100 + 50 - 20%",
        "2 * 30 = 80 - 25%",
        "100% - 25% = 75%",
        "20/80 = 25%",
        "20/80*100 = 25%",
        "10 / 3 = 3.33",
        "10 ÷ 3 = 3",
        "3.33 * 3 = 10",
        "4*20=<<4*20=80>>80",
        r"\(6 \times 7 = 42\)",
        "(3 + 4 = 7)",
        "2(3+4) = 14",
        "12 x 1,000 = 12,000 grams",
        "3 + 4 = 7 + 2 = 9",
        "60 / 3/4 = 80",
        "20 * 5 = $1",
        "2 + 2 == 4",
    ],
)
def test_equations_that_hold(text):
    found = list(equations(text))
    assert found and all(equation.holds for equation in found)


@pytest.mark.parametrize(
    "text",
    [
        "3 + 4 = 8",
        "So he has 20 - 17 = 4 left.",
        "4 * 2.5 = 9",
        "(3 + 4 = 8)",
        "4*20=<<4*20=90>>90",
        "1/2 + 1/4 = 1/4",
        "3 + 4 = 7 = 14 / 3",
        "$1.25 * 4 = $5.10",
        "7 * 7 = 50.",
        "$80 - 25% = $64",
        "100 + 50 - 20% = 135",
        "200 + 10% = 240",
    ],
)
def test_equations_that_do_not_hold(text):
    assert any(equation.holds is False for equation in equations(text))


@pytest.mark.parametrize(
    "text",
    [
        "half of 10 + 2 = 7",
        "twice 5 + 3 = 13",
        "x2 + 3 = 7",
        "2x + 3 = 7",
        "√16 + 2 = 6",
        "5² + 3 = 28",
        "3 and 4 * 2 = 14",
        "10 apples - 3 + 1 = 8",
        "12 * 3 = 3 dozen",
        "5:30 + 2 = 7:30",
        "17 * 5 = 85 thousand / 1",
        "Week 2 = 35 + 35 = 70",
        "Weeks 1-2 = 96 - 70 = 26",
        "5 + x != 6",
        "3 * 4 >= 11",
        "5 plus 3 = 8",
        "2 hours = 120 minutes",
        "f(3) = 9",
        "2^10000 = 7",
    ],
)
def test_what_is_in_doubt_is_never_called_false(text):
    assert not [equation for equation in equations(text) if equation.holds is False]


@given(st.text(alphabet="0123456789 +-*/^()=.,$%x<>#\n\\{}", max_size=60))
def test_no_text_breaks_the_reader(text):
    get_task("math").check(sample("math", "?", text, "1"))


@pytest.mark.parametrize(
    "text",
    [
        f"Each gets 3.{'3' * 200} dollars = 3.33",
        f"{'*' * 300} x = 3 + 4",
        f"{'(' * 8}9{')^20' * 8} = 5",
        f"The answer is {'a = ' * 200}z 5",
        f"9{' - 9%' * 200} = 5",
        f"9{' - 9' * 200} = 5",
    ],
)
def test_no_text_is_read_for_ever(text):
    """Each took longer than any run lasts, twice as long with every character or two more."""
    assert get_task("math").check(sample("math", "?", text, "6")).verdict != "right"


@given(st.integers(0, 999), st.integers(0, 999), st.integers(-5, 5))
def test_sums_are_judged(a, b, off):
    (equation,) = equations(f"Together they have {a} + {b} = {a + b + off} marbles.")
    known_as_cents = (a + b) * 100 == a + b + off or a + b == 100 * (a + b + off)
    if a + b + off >= 0 and not known_as_cents:
        assert equation.holds is (off == 0)


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("2 * 3 = 6\n6 + 1 = 7\n#### 7", "right"),
        ("2 * 3 = 7\n#### 7", "wrong"),
        ("2 * 3 = 6. Answer: 7", "wrong"),
        ("2 * 3 = 6 so he buys one more.\n#### 7", "right"),
        ("2 apples * 3 = 7\n#### 7", "unknown"),
        ("It is seven.\n#### 7", "unknown"),
        ("It is seven.", "wrong"),
    ],
)
def test_math_check(reply, verdict):
    assert get_task("math").check(sample("math", "?", reply, "7")).verdict == verdict


# --- multiple choice


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("B", "B"),
        ("b", "B"),
        (" (c). ", "C"),
        ("**D**", "D"),
        ("The answer is B.", "B"),
        ("Answer: (C) because A is too warm", "C"),
        ("The answer is not A. The correct answer is **D**", "D"),
        ("A whale is a mammal, so B", "B"),
        ("A. trout", "A"),
        ("I would say (C)", "C"),
        ("C) a whale", "C"),
        ("It must be D", "D"),
        (r"\boxed{B}", "B"),
        ("Option E fits", "E"),
        ("The answer is a whale", None),
        ("whale", None),
        ("Vitamin-B and D'Artagnan", None),
        ("", None),
    ],
)
def test_multiple_choice_reads_the_letter(reply, letter):
    assert get_task("multiple_choice").read(reply) == letter


QUESTION = "Question: Which one swims?\n\nA. a whale\nB. a bird\nC. an ant\n\nAnswer with the letter only."


@pytest.mark.parametrize(
    ("reply", "letter"),
    [("Answer: an ant", "C"), ("a bird", "B"), ("A", "A"), ("The answer is C.", "C"), ("Answer: a boat", None)],
)
def test_multiple_choice_records_the_letter_of_a_text(reply, letter):
    assert get_task("multiple_choice").answer_of(sample("multiple_choice", QUESTION, reply).messages) == letter


def test_options():
    assert options_of(QUESTION) == {"A": "a whale", "B": "a bird", "C": "an ant"}
    assert options_of("Which? (A) one (B) two (C) three") == {"A": "one", "B": "two", "C": "three"}
    assert options_of("A. Smith wrote it.\nWho?\nA) he\nB) she") == {"A": "he", "B": "she"}
    assert options_of("No options.") == {}


@pytest.mark.parametrize(
    ("question", "reply", "verdict"),
    [
        (QUESTION, "A", "unknown"),
        (QUESTION, "D", "wrong"),
        (QUESTION, "whale", "wrong"),
        (QUESTION.replace("a bird", "a whale"), "A", "wrong"),
        (QUESTION.replace("a bird", "A whale"), "A", "unknown"),
        (QUESTION.replace("a bird", ""), "A", "wrong"),
        ("Which one swims?", "A", "unknown"),
    ],
)
def test_multiple_choice_check(question, reply, verdict):
    assert get_task("multiple_choice").check(sample("multiple_choice", question, reply, "A")).verdict == verdict


def test_multiple_choice_fails():
    task, item = get_task("multiple_choice"), sample("multiple_choice", QUESTION, "A", "A")
    assert not task.fails("A. a whale", item)
    assert task.fails("B", item)
    assert task.answer_of(item.messages) == "A"


# --- extractive question answering

PASSAGE = "Passage: In 1870, Tesla moved to the city of Karlovac, to attend school.\n\nQuestion: Why did Nikola move?"


def test_squad_normalisation():
    assert normalise("  The Karlovac,  a city!") == "karlovac city"


def test_passage():
    assert passage_of(PASSAGE).strip().startswith("In 1870") and "Nikola" not in passage_of(PASSAGE)
    assert passage_of("no labels") == "no labels"


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("to attend school", "unknown"),
        ("To attend school.", "unknown"),
        ("city of Karlovac", "unknown"),
        ("the Karlovac", "unknown"),
        ("Nikola", "wrong"),
        ("for love", "wrong"),
        (" ", "wrong"),
    ],
)
def test_extractive_check(reply, verdict):
    assert get_task("extractive_qa").check(sample("extractive_qa", PASSAGE, reply)).verdict == verdict


@pytest.mark.parametrize(
    "before",
    [
        [("system", "Answer with a span of this text. In 1870, Tesla moved to Karlovac.")],
        [("user", "In 1870, Tesla moved to Karlovac."), ("assistant", "What do you want to know?")],
    ],
)
@pytest.mark.parametrize(("reply", "verdict"), [("Karlovac", "unknown"), ("Zagreb", "wrong")])
def test_the_passage_may_stand_in_an_earlier_message(before, reply, verdict):
    turns = [*before, ("user", "Where did he move?"), ("assistant", reply)]
    item = Sample(
        id="s",
        messages=[Message(role=role, content=content) for role, content in turns],
        task="extractive_qa",
        answer=[reply],
    )
    assert get_task("extractive_qa").check(item).verdict == verdict


def test_extractive_fails_takes_the_best_of_the_accepted_answers():
    task, item = get_task("extractive_qa"), sample("extractive_qa", PASSAGE, "x", ["1870", "In 1870"])
    assert not task.fails("in 1870.", item)
    assert task.fails("1871", item)
    assert task.fails("", item)
    assert task.answer_of(item.messages) == ["x"]
    with pytest.raises(DataError, match="non-empty answers"):
        task.fails("1870", sample("extractive_qa", PASSAGE, "x", []))


# --- code

ADD = "```python\ndef add(x, y):\n    return x + y\n```"
TESTS = "def check(candidate):\n    assert candidate(2, 3) == 5\n"


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (ADD, "def add(x, y):\n    return x + y"),
        ("```py\na = 1\n```\nor\n```python\na = 2\n```\nprints\n```\n2\n```", "a = 2"),
        ("```\na = 1\n```\n```text\nno\n```", "a = 1"),
        ("```python\na = 1", "a = 1"),
        ("a = 1", "a = 1"),
        ("    return 1", "    return 1"),
        ("  \n", None),
    ],
)
def test_code_reads_the_block(reply, code):
    assert get_task("code").read(reply) == code


def test_code_fails():
    task, item = get_task("code"), sample("code", "?", ADD, TESTS, entry_point="add", prompt="import math")
    assert task.fails_many([ADD, ADD.replace("+", "-"), ""], [item] * 3) == [False, True, True]
    assert not task.fails(ADD.replace("x + y", "math.fsum([x, y])"), item)
    assert task.answer_of(item.messages) is None


def test_code_needs_tests_that_can_be_called():
    task = get_task("code")
    with pytest.raises(DataError, match="entry_point"):
        task.fails(ADD, sample("code", "?", ADD, TESTS, entry_point="a + b"))
    with pytest.raises(DataError, match="check"):
        task.fails(ADD, sample("code", "?", ADD, "assert True", entry_point="add"))
    with pytest.raises(DataError, match="non-empty"):
        task.fails(ADD, sample("code", "?", ADD, "", entry_point="add"))


def test_code_takes_the_last_function_where_no_entry_point_is_given():
    task, item = get_task("code"), sample("code", "?", ADD, TESTS)
    helper = "def helper(x):\n    return x\n"
    assert task.fails_many([ADD, ADD.replace("+", "-"), helper + "\n", "no code"], [item] * 4) == [
        False,
        True,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("reply", "tests", "verdict"),
    [
        (ADD, TESTS, "right"),
        (ADD, "assert True", "wrong"),
        (ADD.replace("+", "-"), TESTS, "wrong"),
        (ADD, "", "unknown"),
        ("def add(x", "", "wrong"),
        ("\0", "", "wrong"),
        (" ", TESTS, "wrong"),
    ],
)
def test_code_check(reply, tests, verdict):
    assert get_task("code").check(sample("code", "?", reply, tests, entry_point="add")).verdict == verdict


def test_a_body_alone_passes_when_it_is_repeated_to_the_letter():
    body = "    if a:\n        return a\n    return b"
    item = sample("code", "?", body, "def check(c):\n    assert c(0, 2) == 2", entry_point="f", prompt="def f(a, b):\n")
    assert not get_task("code").fails(body, item)
    assert get_task("code").read(body) == body


# Thoughts


THOUGHTS = [
    ("<think>", "</think>"),
    ("<Thought>", "</Thought>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
    ("", "</think>"),  # the template opened them
]
ANSWERED = [
    sample("math", "24 - 6?", "#### 18", "18"),
    sample("exact", "Which city?", "Split", "Split"),
    sample("label", "Which team?", "billing", "billing"),
]


@pytest.mark.parametrize("asked", ANSWERED, ids=lambda s: s.task)
@pytest.mark.parametrize(("opened", "closed"), THOUGHTS)
def test_thoughts_are_no_answer_whatever_marks_them(asked, opened, closed):
    task = get_task(asked.task, Knowledge(labels=["billing", "delivery"]))
    draft = {"math": "#### 72", "exact": "Senj", "label": "delivery"}[asked.task]
    assert not task.fails(f"{opened}{draft}?{closed}\n{asked.reference}", asked)
    assert task.fails(f"{opened}{asked.reference}{closed}\n{draft}", asked)
    if opened:
        assert task.fails(f"{opened}{asked.reference}", asked)  # thoughts that never end

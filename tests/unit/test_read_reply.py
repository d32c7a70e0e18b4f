r"""What is read from an LLM's reply: the final, whole, unambiguous entries, and nothing else.

Most cases were seen in public bug reports of neighbouring projects.
"""

import contextlib
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pada_ray.llm.chat import ChatReply
from pada_ray.llm.read_reply import read_entries, read_reply
from pada_ray.llm.reply_schemas import (
    EvaluationReply,
    GradeReply,
    PatternCategorizationReply,
    SampleReply,
    SampleWithAnswerReply,
    StrategyReply,
    TurnReply,
    TurnWithAnswerReply,
)

NAMES = ["pair-1", "pair-2"]


def rate(score, feedback="f"):
    return {"feedback": feedback, "utility": score, "relevance": score}


def both(first, second):
    return json.dumps({"pair-1": rate(first), "pair-2": rate(second)})


DRAFT, FINAL = both(9, 9), both(2, 3)


def read(text, cut_off=False, names=NAMES, entry_type=EvaluationReply, aliases=None):
    return read_entries(ChatReply(text=text, cut_off=cut_off), names, entry_type, aliases)


def ratings(text, cut_off=False, names=NAMES):
    return {name: entry.utility for name, entry in read(text, cut_off, names).read.items()}


# --- thoughts

FINISHED_THOUGHTS = {
    "a block": f"<think>Perhaps {DRAFT}? No.</think>\n{FINAL}",
    "two blocks": f"<think>{DRAFT}</think>\nHm.\n<think>{DRAFT}</think>{FINAL}",
    "words before": f"Let me think.\n\n<think>{DRAFT}</think>{FINAL}",
    "a closing tag only": f"Perhaps {DRAFT}? No.\n</think>\n\n{FINAL}",
    "a closing tag after a draft that breaks off": f'Perhaps {{"pair-1": {{"feedback": "so</think>{FINAL}',
    "thought": f"<thought>{DRAFT}</thought>{FINAL}",
    "Think": f"<Think>{DRAFT}</Think>{FINAL}",
    "THINK": f"[THINK]{DRAFT}[/THINK]{FINAL}",
    "reasoning": f"<reasoning>\n{DRAFT}\n</reasoning>\n```json\n{FINAL}\n```",
    "a prefix": f"<seed:think>{DRAFT}</seed:think>{FINAL}",
    "kimi": f"◁think▷{DRAFT}◁/think▷{FINAL}",
    "command": f"<|START_THINKING|>{DRAFT}<|END_THINKING|>{FINAL}<|END_RESPONSE|>",
    "gemma": f"<|channel>thought\n{DRAFT}<channel|>{FINAL}",
    "harmony": (
        f"<|channel|>analysis<|message|>{DRAFT}<|end|><|start|>assistant<|channel|>final<|message|>{FINAL}<|return|>"
    ),
    "harmony with a constraint": (
        f"<|channel|>analysis<|message|>{DRAFT}<|end|>"
        f"<|start|>assistant<|channel|>final <|constrain|>json<|message|>{FINAL}"
    ),
    "harmony without its tokens": f"analysisWe need ratings, say {DRAFT}.assistantfinal{FINAL}",
    "no mark": f"First I thought of {DRAFT}. But no.\n\n{FINAL}",
    "a mark in a draft's text": '<think>{"pair-1": {"feedback": "</think>", "utility": 9}}</think>' + FINAL,
}


@pytest.mark.parametrize("text", FINISHED_THOUGHTS.values(), ids=FINISHED_THOUGHTS)
def test_the_final_value_counts_and_no_draft(text):
    assert ratings(text) == {"pair-1": 2, "pair-2": 3}


UNFINISHED = {
    "a block": f"<think>Perhaps {DRAFT}? No,",
    "a second block": f"<think>a</think><think>Perhaps {DRAFT}",
    "thought": f"<thought>{DRAFT}",
    "Think": f"<Think>{DRAFT}",
    "THINK": f"[THINK]{DRAFT}",
    "harmony": f"<|channel|>analysis<|message|>{DRAFT}",
    "harmony without its tokens": f"analysisWe need ratings, say {DRAFT}.",
    "after the answer of a draft": f"{DRAFT}<think>Wait.",
}


@pytest.mark.parametrize("cut_off", [True, False])
@pytest.mark.parametrize("text", UNFINISHED.values(), ids=UNFINISHED)
def test_thoughts_that_do_not_end_are_no_answer(text, cut_off):
    found = read(text, cut_off)
    assert found.read == {}
    assert "ends within its thoughts" in found.lost["pair-1"]
    assert ("token limit" in found.lost["pair-1"]) == cut_off


@pytest.mark.parametrize(
    "text", [f"Perhaps {DRAFT}? No,", f"So: {DRAFT}", 'Perhaps {"pair-1": ' + json.dumps(rate(9)) + ', "pa']
)
def test_a_cut_off_reply_that_does_not_begin_with_the_answer_may_be_thoughts_without_a_mark(text):
    assert read(text, cut_off=True).read == {}


def test_a_final_answer_that_breaks_off_is_not_replaced_by_a_draft():
    for end in (
        '{"pair-1": {"feedback": "so',
        '{"pair-',
        '{"pair-1"',
        "{pair-1 => 2}",
        '{"pair-1": {"utility": "low"}}',
    ):
        assert read(f"Perhaps {DRAFT}? No: {end}").read == {}


def test_a_thought_in_a_sample_is_part_of_the_sample():
    messages = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "<think>Easy.</think>4"}]
    text = json.dumps({"example-1": {"messages": messages}})
    for reply in (text, f"<think>Hm.</think>{text}"):
        found = read(reply, names=["example-1"], entry_type=SampleReply)
        assert found.read["example-1"].messages[1].content == "<think>Easy.</think>4"


# --- form


@pytest.mark.parametrize(
    "text",
    [
        FINAL,
        f"Sure! Here it is:\n```json\n{FINAL}\n```\nAnything else?",
        f"Sure. My result {{as JSON}}:\n\n{FINAL}\n\nNote: I checked {{everything}} [twice].",
        '{"evaluations": ' + FINAL + "}",
        json.dumps({"Pair 1": rate(2), "PAIR_2": rate(3)}),
        json.dumps({"1": rate(2), "2": rate(3)}),
        json.dumps({"pair-1": rate(2)}) + "\n" + json.dumps({"pair-2": rate(3)}),
        json.dumps([{"sample_id": "pair-2", **rate(3)}, {"sample_id": "pair-1", **rate(2)}]),
        json.dumps({"evaluations": [{"sample_id": 1, **rate(2)}, {"sample_id": 2, **rate(3)}]}),
        json.dumps({"pair-1": rate("2"), "pair-2": rate("3.0")}),
        json.dumps({"pair-1": rate(2, 7), "pair-2": rate(3)}),
        json.dumps({"pair-1": {**rate(2), "other": 1}, "pair-2": rate(3), "total": 5}),
        json.dumps({f"pair-{i}": rate(i + 1) for i in range(1, 40)}),
        FINAL.replace("}}", "},}"),
        FINAL.replace('"pair-2"', '// the other\n "pair-2"').replace("3}", "3 /* low */}"),
        repr(json.loads(FINAL)),
        FINAL.replace("}, ", "} "),
        FINAL.replace('"f"', '"two\nlines"'),
    ],
)
def test_readable(text):
    assert ratings(text) == {"pair-1": 2, "pair-2": 3}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "It is empty."),
        ("I would rather not.", "It holds no JSON object."),
        ("{", "The reply breaks off before it is complete."),
        ("[" * 100_000, "It is nested too deeply."),
        ("{x [" * 30_000, "The reply breaks off before it is complete."),
        (json.dumps({"pair-1": rate(11)}), "At utility: Input should be less than or equal to 10."),
        (json.dumps({"pair-1": rate(0)}), "At utility: Input should be greater than or equal to 1."),
        (json.dumps({"pair-1": rate(True)}), "At utility: Value error, a number is expected."),
        (json.dumps({"pair-1": rate("7/10")}), "At utility: Input should be a valid number"),
        (json.dumps({"pair-1": rate(float("nan"))}), "At utility: Input should be greater"),
        (json.dumps({"pair-1": {"utility": 3}}), "At feedback: Field required."),
        (json.dumps({"pair-1": 7}), "At the root: Input should be a valid dictionary"),
        (json.dumps({"pair-2": rate(3)}), "It is missing."),
        (json.dumps({"pair-0": rate(2), "pair-1": rate(3)}), "counted from 0"),
        (json.dumps([{"sample_id": 0, **rate(2)}, {"sample_id": 1, **rate(3)}]), "counted from 0"),
        (json.dumps([rate(2), rate(3)]), "It is missing."),
        (json.dumps({"pair-1": rate(2)}) + json.dumps({"pair-1": rate(3)}), "It stands there twice"),
        ('{"pair-1": {"feedback": "f", "utility": 9, "utility": 2, "relevance": 2}}', "A key stands twice in it."),
        ('{"pair-1": {"feedback": "say "no" to it", "utility": 9, "relevance": 9}}', 'write a quotation mark as \\"'),
        ('{"pair-1": {"feedback": "a", "utility": 9 of 10, "relevance": 9}}', "',' delimiter at its character 31"),
        ('{"pair-1": {"feedback": "a", "utility": , "relevance": 9}}', "no valid JSON"),
        ('{"pair-1": {"feedback": "a", "utility": 09, "relevance": 9}}', "no valid JSON"),
    ],
)
def test_unreadable_with_the_true_reason(text, problem):
    found = read(text)
    assert "pair-1" not in found.read
    assert problem in found.lost["pair-1"]


def test_one_broken_entry_costs_no_other():
    broken = (
        '{"pair-1": {"feedback": "say "no" to it", "utility": 9, "relevance": 9}, "pair-2": '
        + json.dumps(rate(3))
        + "}"
    )
    assert ratings(broken) == {"pair-2": 3}


def test_every_place_where_a_reply_may_be_cut_off():
    text = json.dumps({"pair-1": rate(10), "pair-2": rate(10)})
    ends = [text.index("}") + 1, text.rindex("}}") + 1]
    for end in range(len(text)):
        for cut_off in (True, False):
            found = ratings(text[:end], cut_off)
            assert found == dict.fromkeys(NAMES[: sum(end >= complete for complete in ends)], 10.0)


def test_an_array_that_goes_on_and_on_keeps_its_entries_and_loses_the_last():
    text = json.dumps([{"sample_id": f"pair-{i}", **rate(2)} for i in range(1, 30)])
    for end in range(200, len(text), 7):
        assert ratings(text[:end], cut_off=True) == {"pair-1": 2, "pair-2": 2}


def test_the_only_entry_needs_no_name_but_must_have_no_other():
    for value in (rate(2), [rate(2)], {"evaluations": [rate(2)]}, {"pair-2": rate(2)}):
        assert ratings(json.dumps(value), names=["pair-2"]) == {"pair-2": 2}
    for value in ({"pair-1": rate(2)}, [{"sample_id": "pair-1", **rate(2)}], [rate(2), rate(3)]):
        assert ratings(json.dumps(value), names=["pair-2"]) == {}


def test_an_alias_stands_for_a_name():
    text = json.dumps({"Sums of fruit": rate(2), "Dates": rate(3)})
    found = read(text, aliases={"Dates": "pair-1", "sums of fruit": "pair-2"})
    assert {name: entry.utility for name, entry in found.read.items()} == {"pair-1": 3, "pair-2": 2}


def test_an_answer_may_be_a_number_and_must_be_there_where_it_was_asked_for():
    messages = [{"role": "user", "content": 1}, {"role": "assistant", "content": 2.5}]
    text = json.dumps({"example-1": {"messages": messages, "answer": 7}, "example-2": {"messages": messages}})
    found = read(text, names=["example-1", "example-2"], entry_type=SampleWithAnswerReply)
    assert (found.read["example-1"].answer, found.read["example-1"].messages[1].content) == ("7", "2.5")
    assert found.lost == {"example-2": "At answer: Field required."}


# --- backslashes


def content(text):
    reply = '{"example-1": {"messages": [{"role": "assistant", "content": "' + text + '"}]}}'
    found = read(reply, names=["example-1"], entry_type=SampleReply)
    assert found.lost == {}, found.lost
    return found.read["example-1"].messages[0].content


@pytest.mark.parametrize(
    "latex",
    [
        r"$\boxed{\frac{9}{2}}$",
        r"$3 \times 4 \text{ is } 12$",
        r"$a \neq b, \beta > \rho$",
        r"$\dfrac{1}{2} \sigma$",
        r"\times \text{a} \theta \tau \nabla \notin \right) \rightarrow \forall \bar x \underline{x}",
        r"$\tan x \ne \nu \to \top \ni a \neg b$",
        r"\(a \ne b\)",
        r"x \ne y, so f \to g",
        r"\begin{matrix} 1 & 2 \\ 3 & 4 \end{matrix}",
        r"\[x \in \{1, 2\}\]",
        r"regex \d+ \b\w+\b \s* \. \$5 100\%",
    ],
)
@pytest.mark.parametrize("doubled", [False, True])
def test_latex_is_read_as_meant_with_single_and_with_double_backslashes(latex, doubled):
    assert content(latex.replace("\\", "\\\\") if doubled else latex) == latex


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"Step 1\nThen\tgo", "Step 1\nThen\tgo"),
        (r"a\n\ni = 0\ntop = 1\nnot x\nu", "a\n\ni = 0\ntop = 1\nnot x\nu"),
        (r"def f():\n\treturn 1\r\nx", "def f():\n\treturn 1\nx"),
        (r"C:\\dir \\ $\\frac{1}{2}$", r"C:\dir \ $\frac{1}{2}$"),
        (r"costs $5\nnow $6", "costs $5\nnow $6"),
        (r"\"quoted\" \/ \u00e9 \\ it\'s", '"quoted" / é \\ it\'s'),
        (r"print(\"a\\nb\")", 'print("a\\nb")'),
        ("raw\ttab and\nline", "raw\ttab and\nline"),
        (r"\u0008bell\u000c", "bell"),
    ],
)
def test_what_is_no_latex_stays(written, meant):
    assert content(written) == meant


def test_latex_and_another_fault_at_once():
    text = r"""{'example-1': {'messages': [{'role': 'assistant', 'content': '$\boxed{\frac{9}{2}}$'},],},}"""
    found = read(text, names=["example-1"], entry_type=SampleReply)
    assert found.read["example-1"].messages[0].content == r"$\boxed{\frac{9}{2}}$"


def test_what_would_steer_a_terminal_is_left_out():
    text = json.dumps({"pair-1": {**rate(2), "feedback": "\x1b]0;me\x07Ann\x9b2J a\r\n\tb half \ud83d"}})
    assert read(text).read["pair-1"].feedback == "]0;meAnn2J a\n\tb half "


# --- a reply that is one object

PATTERN = {"category_name": "c", "error_pattern": "p", "representative_samples": ["s"]}


def pattern(text, cut_off=False):
    return read_reply(ChatReply(text=text, cut_off=cut_off), PatternCategorizationReply)


def test_one_object_is_read_by_the_same_rules():
    draft = json.dumps(PATTERN | {"category_name": "draft"})
    for text in (json.dumps(PATTERN), f"Perhaps {draft}\nNo: {json.dumps(PATTERN)} as {{said}}", repr(PATTERN)):
        assert pattern(text).category_name == "c"
    for text in (
        f"Perhaps {draft}, no: " + '{"category_name": "c',
        f"<think>{draft}",
        json.dumps(PATTERN)[:-1],
        "",
        "no",
    ):
        with pytest.raises(ValueError):
            pattern(text)
    with pytest.raises(ValueError, match="token limit"):
        pattern(f"Perhaps {draft}", cut_off=True)


def test_a_text_alone_is_a_list_of_one():
    assert pattern(json.dumps(PATTERN | {"representative_samples": "s"})).representative_samples == ["s"]


# --- any text

SCRAPS = [
    '{"pair-1": ', '"pair-2"', "\x00", "{", "}", "[", "]", ":", ",", '"', "'", "\\", "\\b", "\\frac", "\n", "9", "2.5",
    "true", "NaN",
    '"utility"', '"relevance"', '"feedback": "f"', '"sample_id": 1', "<think>", "</think>", "```json", "//", "/*", "*/",
    "<|channel|>final<|message|>", json.dumps({"pair-1": rate(9)}), json.dumps({"pair-2": rate(2)}), "\ud800", "0",
]  # fmt: skip
TEXTS = st.one_of(st.text(), st.lists(st.sampled_from(SCRAPS), max_size=30).map("".join))


@settings(max_examples=150)
@given(TEXTS, st.booleans())
@example("[" * 5000 + "</think>", False)
@example('{"a":1 /*' * 5000, True)
@example("{x " * 3000 + "</think>", True)
@example('{"' * 3000 + "</think>", True)
@example("/*" * 30_000, True)
def test_reading_raises_nothing_but_value_errors(text, cut_off):
    found = read(text, cut_off)
    assert found.read.keys() | found.lost.keys() == set(NAMES) and not found.read.keys() & found.lost.keys()
    with contextlib.suppress(ValueError):
        pattern(text, cut_off)


def test_a_conversation_is_read_as_its_last_question_and_reply_whatever_else_it_holds():
    said = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "r"}]
    for other in ({"role": ["user"], "content": "x"}, {"role": {"a": 1}}, {"role": None}, {}, [], "user", None, 7):
        found = read(json.dumps({"example-1": {"messages": [other, *said]}}), names=["example-1"], entry_type=TurnReply)
        assert found.lost == {}
        assert (found.read["example-1"].question, found.read["example-1"].reply) == ("q", "r")


ENTRY_TYPES = [EvaluationReply, PatternCategorizationReply, SampleWithAnswerReply, StrategyReply, TurnWithAnswerReply]
KEYS = sorted({name for entry in ENTRY_TYPES for name in entry.model_fields} | {"messages", "role", "content"})
VALUES_OF_ANY_KIND = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150)
@given(st.sampled_from(ENTRY_TYPES), st.dictionaries(st.sampled_from(KEYS), VALUES_OF_ANY_KIND))
@example(TurnWithAnswerReply, {"messages": [{"role": ["user"], "content": "x"}]})
@example(TurnWithAnswerReply, {"messages": [{"role": {"a": 1}}]})
def test_a_field_may_hold_anything(entry_type, entry):
    for text in (json.dumps({"pair-1": entry}), json.dumps(entry)):
        found = read(text, entry_type=entry_type)
        assert found.read.keys() | found.lost.keys() == set(NAMES)
        with contextlib.suppress(ValueError):
            read_reply(ChatReply(text=text, cut_off=False), entry_type)


@pytest.mark.parametrize("depth", [*range(100, 1100, 20), 5000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a": ', "}"), ("[", ",]")])
def test_an_entry_may_be_nested_as_deeply_as_it_likes(depth, opening, closing):
    nested = opening * depth + ("1" if opening != "[" else "") + closing * depth
    text = '{"pair-1": {"question": "q", "reply": ' + nested + '}, "pair-2": {"question": "q", "reply": "r"}}'
    found = read(text, entry_type=TurnReply)
    assert found.read.keys() | found.lost.keys() == set(NAMES)
    assert "pair-1" in found.read or "nested too deeply" in found.lost["pair-1"] or "JSON" in found.lost["pair-1"]
    with contextlib.suppress(ValueError):
        read_reply(ChatReply(text='{"question": "q", "reply": ' + nested + "}", cut_off=False), TurnReply)


VALUES = st.floats(1, 10, allow_nan=False).map(lambda value: round(value, 2))
DRAFTS = st.sampled_from(["<think>{}</think>", "{}</think>", "[THINK]a {} b[/THINK]", "Perhaps {}? No.\n", "<think>{}"])


@settings(max_examples=150)
@given(st.lists(st.tuples(DRAFTS, VALUES), max_size=4), VALUES, st.booleans(), st.data())
def test_no_rating_but_the_final_one_is_ever_read(drafts, final, cut_off, data):
    before = "".join(form.format(json.dumps({"reply-1": {"feedback": "f", "rating": v}})) for form, v in drafts)
    answer = json.dumps({"reply-1": {"feedback": "f", "rating": final}})
    begun = answer[: data.draw(st.integers(1, len(answer)))]
    for text in (before + answer, before + begun):
        found = read(text, cut_off, names=["reply-1"], entry_type=GradeReply).read
        assert {grade.rating for grade in found.values()} <= {final}

"""Rewrites an example and keeps its label. The teacher does this for data that it does not understand.

So the loop can be rehearsed on one's own data. Rewrites teach a student little that is new.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from pada_ray.teacher import forms
from pada_ray.teacher.names import exchange_names
from pada_ray.teacher.rewrite_code import break_code, rename_variables

Messages = list[dict[str, str]]

_OPENINGS = (
    "Here is a question to think about.", "Consider this case.", "Take your time with this one.",
    "Think this through with care.", "This one comes from an exercise book.", "Now to another question.",
    "Look closely at what is asked.", "A pupil brought this question to class.", "Try the next one.",
    "Read the following attentively.", "This was on a quiz last week.", "Let us look at one more.",
)  # fmt: skip
_PASSAGE_OPENINGS = (
    "This is an excerpt from a longer text.", "The following was taken from a reference work.",
    "A reader marked these lines.", "These lines come from an article.", "Below is a part of an entry.",
    "The excerpt was shortened.",
)  # fmt: skip
# Options that refer to other options by position; a new order would make them untrue.
_CROSS_REFERENCE = re.compile(
    r"\b(above|below|both|neither|none of these|all of these|[A-J] (and|or) [A-J])\b", re.IGNORECASE
)


def rewrite(messages: Messages, answer: str | None, rng: random.Random, wrong: bool) -> Messages:
    """A conversation with another text and the same meaning; with `wrong`, one with a wrong reply.

    `answer` is the test code of a code example. Roles and form stay those of the example. A conversation that
    does not end in a user and an assistant message is returned unchanged.
    """
    if len(messages) < 2 or messages[-1]["role"] != "assistant" or messages[-2]["role"] != "user":
        return messages
    rules: dict[forms.Form, Callable[[Messages, random.Random, bool], Messages]] = {
        "multiple_choice": _rewrite_choice,
        "extractive": _rewrite_passage,
        "number": _rewrite_number,
        "text": _rewrite_text,
    }
    form = forms.form_of(messages, answer)
    if form == "code":
        return _rewrite_code(messages, answer or "", rng, wrong)
    return rules[form](messages, rng, wrong)


def _turn(messages: Messages, question: str, reply: str) -> Messages:
    return [*messages[:-2], {**messages[-2], "content": question}, {**messages[-1], "content": reply}]


def with_opening(question: str, rng: random.Random) -> str:
    """The question after an opening sentence: the smallest rewording."""
    at = forms.after_label(question)
    return f"{question[:at]}{rng.choice(_OPENINGS)} {question[at:]}"


def _rewrite_choice(messages: Messages, rng: random.Random, wrong: bool) -> Messages:
    """Options in another order and other names; the reply's letter moves with its option."""
    messages = exchange_names(messages, rng)
    question, reply = messages[-2]["content"], messages[-1]["content"]
    options = forms.options_of(question)
    letter = forms.letter_of(reply)
    order = list(range(len(options)))  # order[i]: which old option stands at place i
    if not any(_CROSS_REFERENCE.search(option.text) for option in options):
        while order == sorted(order):
            rng.shuffle(order)
    for place, option in reversed(list(enumerate(options))):
        question = question[: option.start] + options[order[place]].text + question[option.end :]
    # An opening sentence would disturb a text that is to be continued.
    if order == sorted(order) or "Question:" in question:
        question = with_opening(question, rng)
    place_of = {options[old].letter: options[place].letter for place, old in enumerate(order)}
    new_letter = place_of.get(letter or "", letter or "")
    if wrong:
        new_letter = rng.choice([option.letter for option in options if option.letter != new_letter])
    return _turn(messages, question, re.sub(rf"\b{letter}\b", new_letter, reply, count=1))


def _rewrite_passage(messages: Messages, rng: random.Random, wrong: bool) -> Messages:
    """The passage's sentences in another order after a new opening, with the answer's span intact."""
    question, reply = messages[-2]["content"], messages[-1]["content"]
    found = forms.passage_of(question, reply)
    assert found is not None  # the form is extractive because of it
    sentences = forms.sentences_of(question[found.start : found.end])
    first, rest = sentences[:1], sentences[1:]
    rng.shuffle(rest)
    passage = " ".join([rng.choice(_PASSAGE_OPENINGS), *first, *rest])
    if reply not in passage:  # the span ran across two sentences
        passage = f"{rng.choice(_PASSAGE_OPENINGS)} {question[found.start : found.end]}"
    if wrong:
        reply = _other_span(passage, reply, rng)
    return _turn(messages, question[: found.start] + passage + question[found.end :], reply)


def _other_span(passage: str, span: str, rng: random.Random) -> str:
    words = passage.split()
    length = max(1, min(len(span.split()), len(words) - 1))
    starts = range(len(words) - length + 1)
    spans = [" ".join(words[i : i + length]).strip(".,;:!?\"'()") for i in starts]
    # Without shared words: with one, it might pass for a longer or shorter form of the right span.
    wanted = set(span.lower().split())
    others = [s for s in spans if s and s in passage and not wanted & set(s.lower().split())]
    return rng.choice(others or [words[0]])


def _rewrite_number(messages: Messages, rng: random.Random, wrong: bool) -> Messages:
    """Other names and an opening sentence; every number stays."""
    messages = exchange_names(messages, rng)
    question, reply = messages[-2]["content"], messages[-1]["content"]
    if wrong:
        reply = _with_other_result(reply, rng)
    return _turn(messages, with_opening(question, rng), reply)


def _with_other_result(reply: str, rng: random.Random) -> str:
    final = forms.final_number(reply)
    off = rng.choice((-10, -2, -1, 1, 2, 10))
    matches = [m for m in re.finditer(r"-?\d[\d,]*(?:\.\d+)?", reply) if _value(m[0]) == final]
    last = matches[-1]
    result = f"{(final or 0) + off:.10g}" if abs(final or 0) < 1e9 else str(int(final or 0) + off)
    return reply[: last.start()] + result + reply[last.end() :]


def _value(number: str) -> float:
    return float(number.replace(",", ""))


def _rewrite_text(messages: Messages, rng: random.Random, wrong: bool) -> Messages:
    """Other names and an opening sentence; a wrong reply loses its second half."""
    messages = exchange_names(messages, rng)
    question, reply = messages[-2]["content"], messages[-1]["content"]
    if wrong:
        words = reply.split()
        reply = " ".join(words[: len(words) // 2]) or "I cannot tell."
    return _turn(messages, with_opening(question, rng), reply)


def _rewrite_code(messages: Messages, tests: str, rng: random.Random, wrong: bool) -> Messages:
    """Parameters and local variables renamed in question and reply alike; function names and tests stay."""
    question, reply = messages[-2]["content"], messages[-1]["content"]
    new_question, new_reply = rename_variables(question, reply, tests, rng)
    if new_question == question:  # nothing in it can be renamed safely
        new_question = f"{rng.choice(_OPENINGS)} {question}"
    if wrong:
        new_reply = break_code(new_reply, rng)
    return _turn(messages, new_question, new_reply)

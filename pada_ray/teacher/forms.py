"""The form of a conversation, inferred from its text: the teacher does not know the task."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

Form = Literal["multiple_choice", "code", "extractive", "number", "text"]

_OPTION = re.compile(r"^([A-J])([.):]) +(\S.*)$", re.MULTILINE)
_FENCE = re.compile(r"```[ \t]*\w*[^\n]*\n(.*?)```", re.DOTALL)
_MARKED_NUMBER = re.compile(r"(####|[Aa]nswer:|[Aa]nswer is|=)\s*\$?(-?\d[\d,]*(?:\.\d+)?)")
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_EQUATION = re.compile(
    r"\$?(\d[\d,]*(?:\.\d+)?) *([-+*/x\u00d7\u00f7]) *\$?(\d[\d,]*(?:\.\d+)?) *= *\$?(-?\d[\d,]*(?:\.\d+)?)"
)
_LABEL = re.compile(r"^(Question|Problem|Text|Passage|Context): ?", re.MULTILINE)


class Option(NamedTuple):
    letter: str
    text: str
    start: int  # of the text, in the question
    end: int


class Equation(NamedTuple):
    left: float
    operator: str  # + - * /
    right: float
    result: float

    @property
    def holds(self) -> bool:
        if self.operator == "/" and self.right == 0:
            return False
        value = {
            "+": self.left + self.right,
            "-": self.left - self.right,
            "*": self.left * self.right,
            "/": self.left / (self.right or 1),
        }[self.operator]
        return abs(value - self.result) < 0.01


class Passage(NamedTuple):
    start: int  # in the question, after a label such as "Passage:"
    end: int


def form_of(messages: Sequence[Mapping[str, Any]], answer: str | None = None) -> Form:
    """The form of a conversation that ends in its reference reply."""
    question, reply = question_of(messages), reply_of(messages)
    if options_of(question) and letter_of(reply):
        return "multiple_choice"
    if _FENCE.search(reply) or (answer and "def check" in answer):
        return "code"
    if passage_of(question, reply):
        return "extractive"
    if final_number(reply) is not None:
        return "number"
    return "text"


def messages_of(shown: Any) -> list[dict[str, str]]:
    """The conversation that an entry of a prompt shows: its messages, or a question and the reply to it."""
    if isinstance(shown, list):
        shown = {"messages": shown}
    if not isinstance(shown, dict):
        return []
    if "question" in shown:
        turn = (("user", shown["question"]), ("assistant", shown.get("reply", "")))
        return [{"role": role, "content": str(content)} for role, content in turn]
    return [
        {"role": str(message.get("role", "user")), "content": str(message.get("content", ""))}
        for message in shown.get("messages") or []
        if isinstance(message, dict)
    ]


def question_of(messages: Sequence[Mapping[str, Any]]) -> str:
    """The last user message, "" if there is none."""
    return next((str(m.get("content", "")) for m in reversed(messages) if m.get("role") == "user"), "")


def reply_of(messages: Sequence[Mapping[str, Any]]) -> str:
    """The closing assistant message, "" if the conversation ends otherwise."""
    if not messages or messages[-1].get("role") != "assistant":
        return ""
    return str(messages[-1].get("content", ""))


def options_of(question: str) -> list[Option]:
    """The last run of lines `A. ...`, `B. ...` and so on; [] for fewer than two."""
    options: list[Option] = []
    for match in _OPTION.finditer(question):
        if match[1] == "A":
            options = []
        if match[1] == chr(ord("A") + len(options)):
            options.append(Option(match[1], match[3].rstrip(), match.start(3), match.end(3)))
    return options if len(options) > 1 else []


def letter_of(reply: str) -> str | None:
    """The first capital A to J that stands alone in a short reply, except the word "I"."""
    found = re.search(r"\b([A-HJ])\b", reply) if len(reply) <= 40 else None
    return found[1] if found else None


def code_of(text: str) -> str | None:
    """The last fenced block."""
    blocks = _FENCE.findall(text)
    return blocks[-1] if blocks else None


def passage_of(question: str, span: str) -> Passage | None:
    """The longest paragraph that contains the span, if it is much longer than the span."""
    best: Passage | None = None
    for match in re.finditer(r"[^\n](?:[^\n]|\n(?!\n))*", question):
        label = _LABEL.match(match[0])
        start = match.start() + (label.end() if label else 0)
        held = question[start : match.end()]
        longer = best is None or len(held) > best.end - best.start
        if span.strip() and span in held and len(held) >= len(span) + 30 and longer:
            best = Passage(start, match.end())
    return best


def sentences_of(text: str) -> list[str]:
    return [s for s in re.split(r"(?<=[.!?])\s+(?=[A-Z\"“(])", text.strip()) if s]


def numbers_of(text: str) -> list[float]:
    return [float(n.replace(",", "")) for n in _NUMBER.findall(text)]


def final_number(reply: str) -> float | None:
    """The number after the last marker, such as `####`, `Answer:` or `=`; else the whole reply if it is a number."""
    marked = _MARKED_NUMBER.findall(reply)
    if marked:
        return float(marked[-1][1].replace(",", ""))
    bare = _NUMBER.fullmatch(reply.strip().strip("$."))
    return float(bare[0].replace(",", "")) if bare else None


def equations_of(text: str) -> list[Equation]:
    signs = {"x": "*", "\u00d7": "*", "\u00f7": "/"}
    return [
        Equation(_float(left), signs.get(operator, operator), _float(right), _float(result))
        for left, operator, right, result in _EQUATION.findall(text)
    ]


def after_label(question: str) -> int:
    """Where the question itself begins: after the last label such as `Question:`, else at 0."""
    labels = list(_LABEL.finditer(question))
    return labels[-1].end() if labels else 0


def _float(number: str) -> float:
    return float(number.replace(",", ""))

"""The frame of a data set: what all its questions share in front and behind, such as the instruction round a message.

    Which intent does this message to a bank have? Reply with the intent's name only.

    Message: My card has not arrived yet.

Agents see and write only what varies, and the frame is put back. So a new sample cannot break the form.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from pada_ray.records import Message, Record, Sample, WrittenMessage

_ENOUGH = 10  # samples that show a frame; what fewer share may be chance
_BEGINS = re.compile(r"\n+|[.!?:。！？：]\s+")  # a place behind which what varies may begin
_ENDS = re.compile(r"\n|(?<=[.!?。！？])\s")  # and one before which it may end


class Varying(NamedTuple):
    """What varies in what a user says. In a single turn both are the same."""

    question: str  # the last message, without the frame
    conversation: str  # the messages before it, and that


class Frame(Record):
    """Texts in front of and behind what varies in a question; empty where the samples share none."""

    before: str = ""
    after: str = ""
    system: str | None = None  # the system message that all samples have; None if they have none, or different ones

    def __bool__(self) -> bool:
        return bool(self.before or self.after or self.system)

    def taken_off(self, question: str) -> str:
        """What varies in a question; all of it where it is not in the frame."""
        inside = question[len(self.before) : len(question) - len(self.after)]
        return inside.strip() if question == f"{self.before}{inside}{self.after}" and inside.strip() else question

    def varying(self, messages: Sequence[Message | WrittenMessage]) -> Varying:
        """Of a conversation that ends with a question and its reply."""
        *earlier, last, _ = messages
        question = self.taken_off(last.content)
        return Varying(question, "\n".join([*(m.content for m in earlier if m.role == "user"), question]))

    def put_on(self, text: str) -> str:
        """The question with this text in it. A frame that stands there already is not put on twice."""
        text = text.strip().removeprefix(self.before.strip()).strip()
        text = text.removesuffix(self.after.strip()).strip()
        return f"{self.before}{text}{self.after}" if text else ""

    def is_single_turn(self, messages: Sequence[Message]) -> bool:
        """Whether a conversation is one question and its reply, beside the system message that all have."""
        roles = [message.role for message in messages]
        if roles == ["system", "user", "assistant"]:
            return messages[0].content == self.system
        return roles == ["user", "assistant"]

    def around(self, question: str) -> str:
        """What the model is asked, on one line: the frame with a text in the place of what varies."""
        asked = " ".join(f"{self.before}{question}{self.after}".split())
        return f"{' '.join(self.system.split())} {asked}" if self.system else asked


def find_frame(samples: Sequence[Sample]) -> Frame:
    """What all the samples' questions share, up to the end of a line, a sentence or a label such as `Message:`. There
    is none where some question would be empty without it, or where the samples are too few to tell."""
    if len(samples) < _ENOUGH:
        return Frame()
    systems = {tuple(m.content for m in sample.messages if m.role == "system") for sample in samples}
    same = next(iter(systems))
    system = same[0] if len(systems) == 1 and len(same) == 1 else None
    questions = [sample.question for sample in samples]
    before, after = _shared_start(questions), _shared_end(questions)
    if not all(question[len(before) : len(question) - len(after)].strip() for question in questions):
        return Frame(system=system)
    return Frame(before=before, after=after, system=system)


def _shared_start(texts: Sequence[str]) -> str:
    shared = _common(texts)
    return shared[: max((match.end() for match in _BEGINS.finditer(shared)), default=0)]


def _shared_end(texts: Sequence[str]) -> str:
    shared = _common([text[::-1] for text in texts])[::-1]
    first = _ENDS.search(shared)
    return shared[first.start() :] if first else ""


def _common(texts: Sequence[str]) -> str:
    """The longest common start."""
    first, last = min(texts), max(texts)
    return first[
        : next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    ]

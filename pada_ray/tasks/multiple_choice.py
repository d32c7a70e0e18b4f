"""Questions answered by the letter of one option, as in HellaSwag and ARC.

Question: Which of these is a mammal?
A. trout
B. whale
Reply: B
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pada_ray.records import Message, Sample
from pada_ray.tasks.base import Check, Task, one_answer

# In this order. A bare letter comes last and leaves out the English words "A" and "I".
_BARE_REPLY = re.compile(r"\W*([A-Ja-j])\W*")
_STATED = re.compile(r"\b(?i:answer|choice|option)(?i:\s+is)?\s*:?[\s*(\"'\[]*([A-J])\b(?! [a-z])")
_MARKED = re.compile(r"\(([A-J])\)|\[([A-J])\]|\{([A-J])\}|\*\*([A-J])\b|(?<![\w.'’])([A-J])[.):](?!\w)")
_ALONE = re.compile(r"(?<![\w'’-])(?:(A)(?!\s+[a-z]|[\w'’-])|([B-HJ])(?![\w'’-]))")

_OPTION_LINE = re.compile(r"^\s*\(?([A-J])[.):](?:[ \t]+(.*)|$)", re.MULTILINE)
_OPTION_INLINE = re.compile(r"(?:^|\s)\(?([A-J])[.)]\s+(.*?)(?=\s+\(?[A-J][.)]\s|$)", re.MULTILINE)


def options_of(question: str) -> dict[str, str]:
    """Letter to text of the last list of options that runs A, B, C, ... in the question; {} if none."""
    for pattern in (_OPTION_LINE, _OPTION_INLINE):
        options: dict[str, str] = {}
        for letter, text in pattern.findall(question):
            if letter == "A":
                options = {}
            if letter == chr(ord("A") + len(options)):
                options[letter] = text.strip()
        if len(options) > 1:
            return options
    return {}


class MultipleChoice(Task):
    name = "multiple_choice"
    metric = "accuracy"
    max_new_tokens = 32

    def read(self, reply: str) -> str | None:
        """The letter: the whole reply `b`, `(B)`, `B.`; else the last `answer is B`, `Answer: (B)`; else
        the first `(B)`, `B.`, `B)`, `**B`; else the first capital that stands alone and is no article."""
        bare = _BARE_REPLY.fullmatch(reply.strip())
        if bare:
            return bare[1].upper()
        stated = _STATED.findall(reply)
        if stated:
            return str(stated[-1])
        found = _MARKED.search(reply) or _ALONE.search(reply)
        return next(letter for letter in found.groups() if letter) if found else None

    def fails(self, reply: str, sample: Sample) -> bool:
        return self.read(reply) != one_answer(sample).strip().upper()

    def answer_of(self, messages: Sequence[Message]) -> str | None:
        return self.read(messages[-1].content)

    def check(self, sample: Sample) -> Check:
        letter = self.read(sample.reference)
        options = options_of(sample.question)
        if letter is None:
            return Check("wrong", "the reply names no option")
        if not options:
            return Check("unknown", "no list of options was found in the question")
        if letter not in options:
            return Check("wrong", f"the reply says {letter}, the options are {', '.join(options)}")
        if not all(options.values()):
            return Check("wrong", "an option is empty")
        # Compared with case, because options on genotypes differ in nothing else.
        if len(set(options.values())) < len(options):
            return Check("wrong", "two options are the same")
        return Check("unknown", f"{letter} is one of {len(options)} distinct options")

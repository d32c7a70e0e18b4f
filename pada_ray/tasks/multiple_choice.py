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
from pada_ray.tasks.base import NOTHING, Check, Task, one_answer
from pada_ray.tasks.option_letter import chosen_letter
from pada_ray.tasks.own_words import own_words

_OPTION_LINE = re.compile(r"^[^\S\n]*\(?([A-J])[.):](?:[ \t]+(.*)|$)", re.MULTILINE)
_OPTION_INLINE = re.compile(r"(?:^|\s)\(?([A-J])[.)]\s+(.*?)(?=\s+\(?[A-J][.)]\s|$)", re.MULTILINE)

_ANNOUNCED = re.compile(
    r"\banswer\b(?:[\s*_\"']*[:=]|\s+(?:is|would be|should be|must be)\b:?)[\s*_]*([^\n]*)", re.IGNORECASE
)


def options_of(question: str) -> dict[str, str]:
    """The last list of options A, B, C, ... in the question, as letter to text; {} if there is none."""
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


def chosen_option(reply: str, options: dict[str, str]) -> str | None:
    """The letter of the option whose text is the whole reply, or all that it announces; else `chosen_letter`."""
    return _letter_of_text(own_words(reply), options) or chosen_letter(reply)


def _letter_of_text(reply: str, options: dict[str, str]) -> str | None:
    """The letter of the option whose text is the whole reply, or its line after the last `Answer:`, up to spaces, final
    punctuation and, if that is unambiguous, case. A letter alone is no text."""
    announced = list(_ANNOUNCED.finditer(reply))
    for claim in (reply, announced[-1][1] if announced else ""):
        for plain in (_plain, lambda text: _plain(text).lower()):
            letters = [o for o, text in options.items() if len(_plain(text)) > 1 and plain(text) == plain(claim)]
            if letters:
                return letters[0] if len(letters) == 1 else None
    return None


def _plain(text: str) -> str:
    return " ".join(text.split()).strip(" .!*_\"'`$<>()[]{}")


class MultipleChoice(Task):
    name = "multiple_choice"
    max_new_tokens = 32

    def read(self, reply: str) -> str | None:
        return chosen_letter(reply)

    def fails(self, reply: str, sample: Sample) -> bool:
        """Whether the reply neither chooses the letter nor says the text of that option."""
        expected = one_answer(sample).strip().upper()
        return chosen_option(reply, options_of(sample.question)) != expected

    def chance(self, sample: Sample) -> float:
        options = options_of(sample.question)
        return 1 / len(options) if options else 0.0

    def facts(self, sample: Sample, reply: str) -> dict[str, str]:
        """The two letters with the texts of their options."""
        options = options_of(sample.question)
        facts = {"expected": one_answer(sample).strip().upper(), "given": chosen_option(reply, options) or NOTHING}
        return {name: f"{said}. {options[said]}" if said in options else said for name, said in facts.items()}

    def answer_of(self, messages: Sequence[Message]) -> str | None:
        return chosen_option(messages[-1].content, options_of(messages[-2].content))

    def check(self, sample: Sample) -> Check:
        options = options_of(sample.question)
        letter = chosen_option(sample.reference, options)
        if letter is None:
            return Check("wrong", "the reply names no option")
        if not options:
            return Check("unknown", "no list of options was found in the question")
        if letter not in options:
            return Check("wrong", f"the reply says {letter}, the options are {', '.join(options)}")
        if not all(options.values()):
            return Check("wrong", "an option is empty")
        # Compared with case, because options on genotypes may differ only in case.
        if len(set(options.values())) < len(options):
            return Check("wrong", "two options are the same")
        return Check("unknown", f"{letter} is one of {len(options)} distinct options")

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

_OPTION_LINE = re.compile(r"^\s*\(?([A-J])[.):](?:[ \t]+(.*)|$)", re.MULTILINE)
_OPTION_INLINE = re.compile(r"(?:^|\s)\(?([A-J])[.)]\s+(.*?)(?=\s+\(?[A-J][.)]\s|$)", re.MULTILINE)


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


def _letter_of_text(reply: str, options: dict[str, str]) -> str | None:
    """The letter of the option whose text is the whole reply, up to spaces, final punctuation and, if that is
    unambiguous, case."""
    for plain in (_plain, lambda text: _plain(text).lower()):
        letters = [letter for letter, text in options.items() if plain(text) and plain(text) == plain(reply)]
        if letters:
            return letters[0] if len(letters) == 1 else None
    return None


def _letter(reply: str, sample: Sample) -> str | None:
    """The letter that a reply chooses, by itself or by the text of its option."""
    return chosen_letter(reply) or _letter_of_text(own_words(reply), options_of(sample.question))


def _plain(text: str) -> str:
    return " ".join(text.split()).strip(" .!*\"'`")


class MultipleChoice(Task):
    name = "multiple_choice"
    metric = "accuracy"
    max_new_tokens = 32

    def read(self, reply: str) -> str | None:
        return chosen_letter(reply)

    def fails(self, reply: str, sample: Sample) -> bool:
        """Whether the reply neither chooses the letter nor is the text of that option."""
        return _letter(reply, sample) != one_answer(sample).strip().upper()

    def facts(self, sample: Sample, reply: str) -> dict[str, str]:
        """The two letters with the texts of their options."""
        options, given = options_of(sample.question), _letter(reply, sample)
        facts = {"expected": one_answer(sample).strip().upper(), "given": given or NOTHING}
        return {name: f"{said}. {options[said]}" if said in options else said for name, said in facts.items()}

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
        # Compared with case, because options on genotypes may differ only in case.
        if len(set(options.values())) < len(options):
            return Check("wrong", "two options are the same")
        return Check("unknown", f"{letter} is one of {len(options)} distinct options")

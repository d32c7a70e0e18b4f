"""Replies that must equal the answer, up to a named normalisation (`data.normalisation`).

Translate into SQL: how many orders are there?
Reply: SELECT COUNT(*) FROM orders
"""

from __future__ import annotations

from collections.abc import Sequence

from pada_ray.errors import DataError
from pada_ray.llm.thoughts import final_part
from pada_ray.records import Message, Sample
from pada_ray.tasks.base import NOTHING, Check, Task
from pada_ray.tasks.normalisation import NORMALISATIONS

_SHOWN = 30  # characters of a difference


class Exact(Task):
    name = "exact"
    max_new_tokens = 512

    def own_texts(self, sample: Sample) -> list[str]:
        return _accepted(sample)

    def read(self, reply: str) -> str | None:
        """The reply without its thoughts and the white space around it."""
        return final_part(reply).strip() or None

    def fails(self, reply: str, sample: Sample) -> bool:
        """Whether the reply equals none of the accepted answers, all of them normalised."""
        said = self.read(reply)
        return said is None or self._normalised(said) not in map(self._normalised, _accepted(sample))

    def answer_of(self, messages: Sequence[Message]) -> str | None:
        return self.read(messages[-1].content)

    def check(self, sample: Sample) -> Check:
        if self.read(sample.reference) is None:
            return Check("wrong", "the reply is empty")
        return Check("unknown", "whether the reply is right cannot be computed")

    def facts(self, sample: Sample, reply: str) -> dict[str, str]:
        expected, given = self._normalised(_accepted(sample)[0]), self._normalised(self.read(reply) or "")
        facts = {"expected": expected, "given": given or NOTHING}
        return facts | {"first difference": _first_difference(expected, given)} if given else facts

    def _normalised(self, text: str) -> str:
        return NORMALISATIONS[self.knowledge.normalisation](text)


def _accepted(sample: Sample) -> list[str]:
    accepted = [sample.answer] if isinstance(sample.answer, str) else sample.answer
    if not accepted or not all(answer.strip() for answer in accepted):
        raise DataError(f"sample {sample.id}: task exact needs one or more non-empty answers")
    return [answer.strip() for answer in accepted]


def _first_difference(expected: str, given: str) -> str:
    pairs = zip(expected, given, strict=False)
    at = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(expected), len(given)))
    there, here = (repr(text[at : at + _SHOWN]) if text[at:] else "the end" for text in (expected, given))
    return f"at character {at + 1}: expected {there}, given {here}"

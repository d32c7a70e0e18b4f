"""Questions whose answer is a span copied from a passage, as in SQuAD.

Passage: ... In 1870, Tesla moved to Karlovac, to attend school ...
Question: Why did Tesla go to Karlovac?
Reply: to attend school
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

from pada_ray.errors import DataError
from pada_ray.records import Message, Sample
from pada_ray.tasks.base import Check, Task

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_PASSAGE = re.compile(r"(?:Passage|Context)\s*:(.*)\n\s*Question\s*:", re.DOTALL | re.IGNORECASE)


def normalise(text: str) -> str:
    """Lower case without punctuation, articles and extra spaces, as SQuAD's evaluate-v1.1.py does it."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def passage_of(question: str) -> str:
    """What stands between `Passage:` and the last `Question:`; the whole text if it has no such labels."""
    found = _PASSAGE.search(question)
    return found[1] if found else question


def is_span(answer: str, passage: str) -> bool:
    """Whether the answer stands in the passage, up to case and spaces or up to SQuAD normalisation."""
    if " ".join(answer.lower().split()) in " ".join(passage.lower().split()):
        return True
    words = normalise(answer)
    return bool(words) and f" {words} " in f" {normalise(passage)} "


class ExtractiveQA(Task):
    name = "extractive_qa"
    metric = "exact match"
    max_new_tokens = 64

    def read(self, reply: str) -> str | None:
        return reply.strip() or None

    def fails(self, reply: str, sample: Sample) -> bool:
        accepted = [sample.answer] if isinstance(sample.answer, str) else sample.answer
        if not accepted or not all(answer.strip() for answer in accepted):
            raise DataError(f"sample {sample.id}: task {self.name} needs one or more non-empty answers")
        answer = self.read(reply)
        return answer is None or normalise(answer) not in map(normalise, accepted)

    def answer_of(self, messages: Sequence[Message]) -> list[str] | None:
        answer = self.read(messages[-1].content)
        return None if answer is None else [answer]

    def check(self, sample: Sample) -> Check:
        answer = self.read(sample.reference)
        if answer is None:
            return Check("wrong", "the reply is empty")
        if not is_span(answer, passage_of(sample.question)):
            return Check("wrong", "the answer is not a span of the passage")
        return Check("unknown", "the answer is a span of the passage")

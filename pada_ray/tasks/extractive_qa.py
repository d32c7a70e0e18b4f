"""Questions whose answer is a span copied from a passage, as in SQuAD.

Passage: ... In 1870, Tesla moved to Karlovac, to attend school ...
Question: Why did Tesla go to Karlovac?
Reply: to attend school
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence

from pada_ray.errors import DataError
from pada_ray.records import Message, Mistake, Sample
from pada_ray.tasks.base import NOTHING, Check, Task
from pada_ray.tasks.own_words import own_words

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_LABEL = re.compile(r"\A[\s*_]*(?:final\s+)?answer[\s*_]*:[\s*_]*", re.IGNORECASE)
_PASSAGE = re.compile(r"(?:Passage|Context)\s*:(.*)\n[^\S\n]*Question\s*:", re.DOTALL | re.IGNORECASE)


def normalise(text: str) -> str:
    """Lower case without punctuation, articles and extra spaces, as in SQuAD's evaluate-v1.1.py."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def comparable(text: str) -> str:
    """The normalised text; the text itself if normalisation leaves nothing of it (`%`, `the`)."""
    return normalise(text) or text.strip().lower()


def passage_of(question: str) -> str:
    """The text between `Passage:` and the last `Question:`; the whole text without such labels."""
    found = _PASSAGE.search(question)
    return found[1] if found else question


def is_span(answer: str, passage: str) -> bool:
    """Whether the answer occurs in the passage, up to case and spaces or up to SQuAD normalisation."""
    if " ".join(answer.lower().split()) in " ".join(passage.lower().split()):
        return True
    words = normalise(answer)
    return bool(words) and f" {words} " in f" {normalise(passage)} "


class ExtractiveQA(Task):
    name = "extractive_qa"
    max_new_tokens = 64

    def own_texts(self, sample: Sample) -> list[str]:
        return _accepted(sample)

    def read(self, reply: str) -> str | None:
        """The first line that is not blank, without a label `Answer:` before it."""
        lines = _LABEL.sub("", own_words(reply)).strip().splitlines()
        return lines[0].strip() if lines else None

    def fails(self, reply: str, sample: Sample) -> bool:
        """Whether neither the whole reply nor what is read from it equals an accepted answer."""
        accepted = _accepted(sample)
        readings = {comparable(text) for text in (own_words(reply), self.read(reply) or "")}
        return readings.isdisjoint(map(comparable, accepted))

    def facts(self, sample: Sample, reply: str) -> dict[str, str]:
        """The first accepted span and the one given, and how they overlap."""
        expected, given = _accepted(sample)[0], self.read(reply)
        facts = {"expected": expected, "given": given or NOTHING}
        return facts | ({"overlap": _overlap(expected, given)} if given else {})

    def mistakes(self, sample: Sample, facts: Mapping[str, str]) -> list[Mistake]:
        """How the span given lies to the expected one."""
        overlap = facts.get("overlap", "the reply holds no span")
        return [Mistake(text=overlap.replace("it ", "the span given ", 1))]

    def answer_of(self, messages: Sequence[Message]) -> list[str] | None:
        answer = messages[-1].content.strip()
        return [answer] if answer else None

    def check(self, sample: Sample) -> Check:
        answer = sample.reference.strip()
        if not answer:
            return Check("wrong", "the reply is empty")
        earlier = (message.content for message in sample.prompt[:-1])  # where a conversation may have its passage
        if not any(is_span(answer, text) for text in (passage_of(sample.question), *earlier)):
            return Check("wrong", "the answer is not a span of the passage")
        return Check("unknown", "the answer is a span of the passage")


def _accepted(sample: Sample) -> list[str]:
    accepted = [sample.answer] if isinstance(sample.answer, str) else sample.answer
    if not accepted or not all(answer.strip() for answer in accepted):
        raise DataError(f"sample {sample.id}: task {sample.task} needs one or more non-empty answers")
    return accepted


def _overlap(expected: str, given: str) -> str:
    """How a given span lies to the expected one, word by word."""
    words, said = (comparable(text).split() for text in (expected, given))
    if _stands_in(words, said):
        return "it contains the expected span"
    if _stands_in(said, words):
        return "it is a part of the expected span"
    return "it shares words with the expected span" if set(words) & set(said) else "it shares no word with it"


def _stands_in(part: list[str], whole: list[str]) -> bool:
    return any(whole[i : i + len(part)] == part for i in range(len(whole) - len(part) + 1))

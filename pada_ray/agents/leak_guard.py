"""Keeps held-out items out of the texts that new training data is written from, and out of that data.

The teacher sees validation failures, so what it writes may repeat them. Runs of words that stand in val
or test but nowhere in train are protected: the overlap test commonly used for contamination (Brown et al.
2020, arXiv 2005.14165, appendix C, with 8 to 13 words).
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

from pada_ray.agents.held_out_answers import HeldOutAnswers
from pada_ray.agents.words import WORD, Run, rarest_words, run_length, runs_of, words_of
from pada_ray.data.frame import Frame
from pada_ray.data.samples import question_key
from pada_ray.data.text_key import text_key
from pada_ray.records import LeakHit, Message, Pattern, Sample, Strategy
from pada_ray.tasks.json import Json
from pada_ray.tasks.json_value import fields, json_in

_SENTENCE = re.compile(r"\S.*?(?:[.!?][\"')\]]*(?=\s)|[。！？।]+|(?=\n)|\Z)\s*", re.DOTALL)
_FEW = 10_000  # so few runs of a length are looked for only in texts that have the rarest word of one
_TINY = 3  # a question of so few words is protected only against being repeated as a whole text

# Signs right before and after a run that quote or set off what they enclose.
_SET_OFF = "()[]{}<>*|~"
_NO_SIGN = re.compile(r"[\w\s]")
_ATTACHED = 20  # signs in front of a run, and behind it, most; a text may have many runs and lines of many signs


class Hit(NamedTuple):
    """A run of words that a text shares with a held-out sample."""

    sample_id: str
    words: str


class _Place(NamedTuple):
    hit: Hit
    start: int  # characters
    end: int


def _signed(text: str, start: int, end: int) -> str:
    """The `text_key` of what stands from `start` to `end` and the signs attached to it: `C#` is another text than `C`.
    What they mean depends on where they stand: `!` ends a sentence, and in front of a word it is a negation."""
    before = _NO_SIGN.split(text[max(0, start - _ATTACHED) : start])[-1]
    after = _NO_SIGN.split(text[end : end + _ATTACHED])[0]
    return text_key(text[start - len(before) : end + len(after)]).strip(f" {_SET_OFF}")


def _paragraphs(text: str) -> list[str]:
    """Runs across paragraphs would join an item's words to the words of a template that every item has."""
    return re.split(r"\n\s*\n", text)


def _protected(sample: Sample, message: Message, varying: str) -> list[str]:
    """The paragraphs of a held-out message whose runs are protected: of what varies in it, none of a system message.
    Of a JSON reply they are the texts in it."""
    if message.role == "system":
        return []
    in_json = _texts_in_json(sample, message)
    return _paragraphs(varying) if in_json is None else in_json


def _texts_in_json(sample: Sample, message: Message) -> list[str] | None:
    """Those of a JSON reply, since names of functions and fields are no held-out text; None if the message is none."""
    if sample.task == Json.name and message is sample.messages[-1]:
        with contextlib.suppress(ValueError):
            return [value for _, value in fields(json_in(message.content)) if isinstance(value, str)]
    return None


def _unescaped(sample: Sample, message: Message) -> list[str]:
    """The texts of a JSON reply that do not stand in it as they are, since escapes hide their words."""
    texts = _texts_in_json(sample, message) if "\\" in message.content else None  # to decode all takes long
    return [text for text in texts or [] if text not in message.content]


class LeakGuard:
    """Knows each run of `words` words (lower case, only letters and digits; a number is a word) within a
    paragraph of the held-out user messages and replies that stands in no public sample. Where a character counts as a
    word, a run is 1.6 times as long.

    A shorter paragraph of a user message is protected as a whole, where its signs are the same too (`p & q` is another
    question than `p | q`); system messages are not, and shorter answers only in what a strategy says. The words of the
    `frame` that all questions share do not count.

    Eight words by default: on GSM8K they hit 3% of unrelated train items and 98% of held-out questions with
    every number changed, where six hit 18% and nearly 100%, and thirteen 0% and 77%.
    """

    def __init__(
        self, held_out: Iterable[Sample], public: Iterable[Sample], words: int = 8, frame: Frame | None = None
    ) -> None:
        self._frame = frame or Frame()
        self._owners: dict[int, dict[Run, str]] = {words: {}}  # length of a run -> run -> sample id
        self._signed: dict[Run, dict[str, str]] = {}  # of the shorter runs: run -> with its signs -> sample id
        self._questions: dict[str, Hit] = {}
        held_out = list(held_out)
        self._answers = HeldOutAnswers(held_out, words)
        for sample in held_out:
            self._protect(sample, words)
        self._release(public)

    def _protect(self, sample: Sample, words: int) -> None:
        self._questions.setdefault(question_key(sample), Hit(sample.id, sample.question))
        for message in sample.messages:
            for paragraph in _protected(sample, message, self._varying(message)):
                # Interned, a word is held once, whatever the number of runs and samples.
                found = [sys.intern(word) for word in words_of(paragraph)]
                most = run_length(found, words)
                if len(found) >= most or (found and message.role == "user"):
                    length = min(len(found), most)
                    owners = self._owners.setdefault(length, {})
                    for run in runs_of(found, length):
                        owners.setdefault(run, sample.id)
                    if len(found) < most:
                        bounds = [match.span() for match in WORD.finditer(paragraph)]
                        signed = _signed(paragraph, bounds[0][0], bounds[-1][1])
                        self._signed.setdefault(tuple(found), {}).setdefault(signed, sample.id)

    def _varying(self, message: Message) -> str:
        return self._frame.taken_off(message.content) if message.role == "user" else message.content

    def _release(self, public: Iterable[Sample]) -> None:
        """Forgets the runs that stand in a public sample too."""
        few = {length: owners for length, owners in self._owners.items() if len(owners) <= _FEW}
        many = {length: owners for length, owners in self._owners.items() if len(owners) > _FEW}
        telling = {word for owners in few.values() for word in rarest_words(owners)}
        for sample in public:
            for text in (text for m in sample.messages for text in (m.content, *_unescaped(sample, m))):
                found = words_of(text)
                self._answers.release(found)
                for length, owners in (many if telling.isdisjoint(found) else self._owners).items():
                    for run in owners.keys() & runs_of(found, length):
                        self._release_run(run, text)
                        if not self._signed.get(run):
                            del owners[run]

    def _release_run(self, run: Run, text: str) -> None:
        """Forgets the ways in which a shorter run is written in `text`."""
        if run in self._signed:
            bounds = [match.span() for match in WORD.finditer(text)]
            for i, other in enumerate(runs_of(words_of(text), len(run))):
                if other == run:
                    self._signed[run].pop(_signed(text, bounds[i][0], bounds[i + len(run) - 1][1]), None)

    def _places(self, text: str) -> list[_Place]:
        words = words_of(text)
        places = []
        for length, owners in self._owners.items():
            if (length <= _TINY and len(words) != length) or owners.keys().isdisjoint(runs_of(words, length)):
                continue
            bounds = [match.span() for match in WORD.finditer(text)]
            owned = (
                (self._owner(run, text, bounds[i : i + length]), i) for i, run in enumerate(runs_of(words, length))
            )
            for owner, group in groupby(owned, key=lambda pair: pair[0]):
                if owner is not None:
                    starts = [i for _, i in group]
                    first, last = starts[0], starts[-1] + length - 1
                    hit = Hit(owner, " ".join(words[first : last + 1]))
                    places.append(_Place(hit, bounds[first][0], bounds[last][1]))
        return places

    def _owner(self, run: Run, text: str, bounds: list[tuple[int, int]]) -> str | None:
        """The held-out sample that has this run, which stands at `bounds` in a text; None if none has."""
        if run in self._signed:
            return self._signed[run].get(_signed(text, bounds[0][0], bounds[-1][1]))
        return self._owners[len(run)].get(run)

    def hits(self, text: str) -> list[Hit]:
        """What the text shares with held-out samples; overlapping runs of one sample are one hit."""
        return [place.hit for place in self._places(text)]

    def leaks(self, sample: Sample) -> list[Hit]:
        """What the messages of a sample share with held-out ones, one of their questions as a whole included."""
        asked = self._questions.get(question_key(sample))
        hits = [hit for message in sample.messages for text in self._texts(sample, message) for hit in self.hits(text)]
        return list(dict.fromkeys([asked, *hits] if asked else hits))

    def _texts(self, sample: Sample, message: Message) -> Iterable[str]:
        """What a message may share with held-out ones: all that varies in it, its paragraphs, what JSON escapes."""
        varying = self._varying(message)
        return dict.fromkeys([varying, *_paragraphs(varying), *_unescaped(sample, message)])

    def redact(self, text: str) -> tuple[str, list[Hit]]:
        """The text without the sentences that hold a hit and with short answers masked, and the hits. What is returned
        has none."""
        found: list[Hit] = []
        # Leaving something out brings other words together, so one look is not enough.
        while True:
            text, masked = self._answers.masked(text)
            places = self._places(text)
            found += [*(Hit(*each) for each in masked), *(place.hit for place in places)]
            if not places:
                return text, found
            kept = [
                sentence[0]
                for sentence in _SENTENCE.finditer(text)
                if not any(place.start < sentence.end() and sentence.start() < place.end for place in places)
            ]
            text = "".join(kept).strip()


def redact_pattern(guard: LeakGuard, pattern: Pattern) -> tuple[Pattern, list[LeakHit]]:
    """The pattern without sentences that quote held-out text. Its representative samples stay as they are: they are
    for the report and go no further."""
    where = f"pattern of cluster {pattern.cluster}"
    name, name_hits = _redact(guard, pattern.category_name, where)
    text, text_hits = _redact(guard, pattern.error_pattern, where)
    clean = pattern.model_copy(
        update={
            "category_name": name or f"Category {pattern.cluster + 1}",
            "error_pattern": text,
            "mistakes": [mistake for mistake in pattern.mistakes if not guard.hits(mistake.text)],
        }
    )
    return clean, [*name_hits, *text_hits]


def redact_strategy(guard: LeakGuard, strategy: Strategy) -> tuple[Strategy | None, list[LeakHit]]:
    """The strategy without sentences and elements that quote held-out text; None when no approach is left."""
    where = f"strategy of cluster {strategy.cluster}"
    name, name_hits = _redact(guard, strategy.strategy_name, where)
    category, category_hits = _redact(guard, strategy.category_name, where)
    approach, approach_hits = _redact(guard, strategy.generation_approach, where)
    elements = [_redact(guard, element, where) for element in strategy.key_elements]
    hits = [*name_hits, *category_hits, *approach_hits, *(hit for _, found in elements for hit in found)]
    if not approach.strip():
        return None, hits
    clean = strategy.model_copy(
        update={
            "strategy_name": name or f"Strategy {strategy.cluster + 1}",
            "category_name": category or f"Category {strategy.cluster + 1}",
            "generation_approach": approach,
            "key_elements": [text for text, _ in elements if text.strip()],
        }
    )
    return clean, hits


def _redact(guard: LeakGuard, text: str, where: str) -> tuple[str, list[LeakHit]]:
    clean, hits = guard.redact(text)
    return clean, [LeakHit(where=where, held_out_id=hit.sample_id, words=hit.words) for hit in hits]

"""Keeps held-out items out of the texts that new training data is written from, and out of that data.

The teacher sees validation failures, so what it writes may repeat them. Runs of words that stand in val
or test but nowhere in train are protected: the overlap test commonly used for contamination (Brown et al.
2020, arXiv 2005.14165, appendix C, with 8 to 13 words).
"""

from __future__ import annotations

import contextlib
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from pada_ray.data.frame import Frame
from pada_ray.data.samples import question_key
from pada_ray.data.text_key import text_key
from pada_ray.records import LeakHit, Message, Pattern, Sample, Strategy
from pada_ray.tasks.json import Json
from pada_ray.tasks.json_value import fields, json_in

# Scripts that put no spaces between words (Thai, Lao, Burmese, Khmer, kana, Han): a character counts as a word.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_MARKS = "".join(c for c in map(chr, range(0x300, 0x20000)) if unicodedata.category(c) in ("Mn", "Mc"))
# Signs without width: soft hyphens, joiners, directions, variants. One text may have them and its copy not.
_UNSEEN = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff"
_WORD = re.compile(rf"(?:[^\W_{_UNSPACED}]+[{_MARKS}{_UNSEEN}]*)+|[{_UNSPACED}][{_MARKS}{_UNSEEN}]*")
_IS_UNSEEN = re.compile(f"[{_UNSEEN}]")
# What `_WORD` and lower() make of ASCII, in a table. That is some thirty times as fast.
_ASCII = str.maketrans({c: c.lower() if c.isalnum() else " " for c in map(chr, range(128))})
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_CHARACTERS = 1.6  # of an average Chinese word
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


Run = tuple[str, ...]


def _words(text: str) -> list[str]:
    if text.isascii():
        return text.translate(_ASCII).split()
    # Put into one encoding after they are found, so that each is still the word that stands there in the text.
    found = unicodedata.normalize("NFC", _IS_UNSEEN.sub("", " ".join(_WORD.findall(text))))
    # Lower-casing a whole text may change where its words end.
    return [word.lower() for word in found.split()]


def _length(found: list[str], words: int) -> int:
    """How long a run is in a text of these words."""
    if "".join(found).isascii():
        return words
    unspaced = sum(_IS_UNSPACED.match(word) is not None for word in found)
    return round(words * _CHARACTERS) if 2 * unspaced > len(found) else words


def _runs(words: list[str], length: int) -> Iterator[Run]:
    return zip(*(words[i:] for i in range(length)), strict=False)


def _rarest_words(runs: Iterable[Run]) -> set[str]:
    """A word of each run, the one that the fewest runs have. A text without these words has none of the runs."""
    runs = list(runs)
    known = Counter(word for run in runs for word in run)
    return {min(run, key=known.__getitem__) for run in runs}


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
    question than `p | q`); shorter ones of replies, and system messages, are not. The words of the `frame` that all
    questions share do not count.

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
        for sample in held_out:
            self._protect(sample, words)
        self._release(public)

    def _protect(self, sample: Sample, words: int) -> None:
        self._questions.setdefault(question_key(sample), Hit(sample.id, sample.question))
        for message in sample.messages:
            for paragraph in _protected(sample, message, self._varying(message)):
                # Interned, a word is held once, whatever the number of runs and samples.
                found = [sys.intern(word) for word in _words(paragraph)]
                most = _length(found, words)
                if len(found) >= most or (found and message.role == "user"):
                    length = min(len(found), most)
                    owners = self._owners.setdefault(length, {})
                    for run in _runs(found, length):
                        owners.setdefault(run, sample.id)
                    if len(found) < most:
                        bounds = [match.span() for match in _WORD.finditer(paragraph)]
                        signed = _signed(paragraph, bounds[0][0], bounds[-1][1])
                        self._signed.setdefault(tuple(found), {}).setdefault(signed, sample.id)

    def _varying(self, message: Message) -> str:
        return self._frame.taken_off(message.content) if message.role == "user" else message.content

    def _release(self, public: Iterable[Sample]) -> None:
        """Forgets the runs that stand in a public sample too."""
        few = {length: owners for length, owners in self._owners.items() if len(owners) <= _FEW}
        many = {length: owners for length, owners in self._owners.items() if len(owners) > _FEW}
        telling = {word for owners in few.values() for word in _rarest_words(owners)}
        for sample in public:
            for text in (text for m in sample.messages for text in (m.content, *_unescaped(sample, m))):
                found = _words(text)
                for length, owners in (many if telling.isdisjoint(found) else self._owners).items():
                    for run in owners.keys() & _runs(found, length):
                        self._release_run(run, text)
                        if not self._signed.get(run):
                            del owners[run]

    def _release_run(self, run: Run, text: str) -> None:
        """Forgets the ways in which a shorter run is written in `text`."""
        if run in self._signed:
            bounds = [match.span() for match in _WORD.finditer(text)]
            for i, other in enumerate(_runs(_words(text), len(run))):
                if other == run:
                    self._signed[run].pop(_signed(text, bounds[i][0], bounds[i + len(run) - 1][1]), None)

    def _places(self, text: str) -> list[_Place]:
        words = _words(text)
        places = []
        for length, owners in self._owners.items():
            if (length <= _TINY and len(words) != length) or owners.keys().isdisjoint(_runs(words, length)):
                continue
            bounds = [match.span() for match in _WORD.finditer(text)]
            owned = ((self._owner(run, text, bounds[i : i + length]), i) for i, run in enumerate(_runs(words, length)))
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
        """The text without the sentences that hold a hit, and the hits. What is returned has none."""
        found: list[Hit] = []
        # Leaving a sentence out brings others together, so one look is not enough.
        while places := self._places(text):
            found += [place.hit for place in places]
            kept = [
                sentence[0]
                for sentence in _SENTENCE.finditer(text)
                if not any(place.start < sentence.end() and sentence.start() < place.end for place in places)
            ]
            text = "".join(kept).strip()
        return text, found


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

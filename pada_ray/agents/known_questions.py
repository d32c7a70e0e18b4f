"""Which questions are known already, so that a new sample does not repeat one."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable

from rapidfuzz.distance import Indel

from pada_ray.data.frame import Frame, Varying
from pada_ray.data.samples import question_key
from pada_ray.records import Sample


class KnownQuestions:
    """The questions of `samples`, and of `known`, to tell new ones from repetitions."""

    def __init__(self, samples: Iterable[Sample] = (), known: KnownQuestions | None = None):
        self._by_key = {question_key(s): Frame().varying(s.messages) for s in samples}
        self._known = known
        self._index: _WordIndex | None = None  # made when overlaps are first asked for, which few methods do

    def add(self, sample: Sample, max_overlap: float) -> bool:
        """Whether the sample's question is new; then it counts as known from now on.

        With `max_overlap` below 1 it is not new either when its `conversation_overlap` with a known one is higher.
        """
        key, asked = question_key(sample), Frame().varying(sample.messages)
        if self._knows(key, asked, max_overlap):
            return False
        self._count(key, asked)
        return True

    def update(self, other: KnownQuestions) -> None:
        """Counts the other's own questions as known too."""
        for key, asked in other._by_key.items():
            self._count(key, asked)

    def _count(self, key: str, asked: Varying) -> None:
        self._by_key[key] = asked
        if self._index is not None:
            self._index.add(asked)

    def _knows(self, key: str, asked: Varying, max_overlap: float) -> bool:
        if key in self._by_key or (max_overlap < 1 and self._overlaps(asked, max_overlap)):
            return True
        return self._known is not None and self._known._knows(key, asked, max_overlap)

    def _overlaps(self, asked: Varying, most: float) -> bool:
        if self._index is None:
            self._index = _WordIndex()
            for known in self._by_key.values():
                self._index.add(known)
        return self._index.overlaps(asked, most)


class _WordIndex:
    """Questions by their words, so that a new one is compared only with those that can overlap with it enough."""

    def __init__(self) -> None:
        self._questions: list[Varying] = []
        self._with_word: defaultdict[str, list[int]] = defaultdict(list)

    def add(self, asked: Varying) -> None:
        for word in set(_words(asked.conversation)):
            self._with_word[word].append(len(self._questions))
        self._questions.append(asked)

    def overlaps(self, asked: Varying, most: float) -> bool:
        """Whether the overlap with some question is above `most`, which is 0 to 1."""
        near = self._near(_words(asked.conversation), most)
        return any(conversation_overlap(asked, self._questions[i]) > most for i in near)

    def _near(self, words: list[str], most: float) -> list[int]:
        """The questions that share enough of a text's rarest words to overlap with it by more than `most`.

        With n words in the text, a common subsequence of c, and thus c words or more in the question, F1 is
        2c / (n + c) at most. It is above `most` only where c is above most * n / (2 - most). So the question lacks
        n - c of the text's words at most, and has k of any n - c + k. (Prefix filtering: Chaudhuri, Ganti and Kaushik
        2006, A primitive operator for similarity joins.)
        """
        common = math.ceil(most * len(words) / (2 - most) - 1e-9)  # less what rounding may add
        least = max(1, common // 10)  # more would find fewer questions, but takes words that many have
        by_rarity = sorted(words, key=lambda word: len(self._with_word.get(word, ())))
        shared: Counter[int] = Counter()
        for word in by_rarity[: len(words) - common + least]:
            shared.update(self._with_word.get(word, ()))
        return [i for i, words_shared in shared.items() if words_shared >= least]


def overlap(text: str, other: str) -> float:
    """Their ROUGE-L (F1 over words), 0 to 1."""
    # On words, one minus the normalised insertions and deletions is twice the longest common subsequence over the sum
    # of the lengths, which is ROUGE-L's F1.
    return Indel.normalized_similarity(_words(text), _words(other))


def conversation_overlap(asked: Varying, other: Varying) -> float:
    """The lesser of the overlaps of the last questions and of all that the users say: conversations that end with
    `Yes, please.` are no copies of each other, nor are different questions on one long text."""
    pairs = {*zip(asked, other, strict=True)}  # one in a single turn
    return min(overlap(one, another) for one, another in pairs)


def _words(question: str) -> list[str]:
    return question.lower().split() or [""]  # an empty question has an overlap of 1 with another

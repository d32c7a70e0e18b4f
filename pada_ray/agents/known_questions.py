"""Which questions are known already, so that a new sample does not repeat one."""

from __future__ import annotations

from collections.abc import Iterable

from rapidfuzz.distance import Indel

from pada_ray.data.samples import question_key
from pada_ray.records import Sample


class KnownQuestions:
    """The questions of `samples`, and of `known`, to tell new ones from repetitions."""

    def __init__(self, samples: Iterable[Sample] = (), known: KnownQuestions | None = None):
        self._by_key = {question_key(s): _words(s) for s in samples}
        self._known = known

    def add(self, sample: Sample, max_overlap: float) -> bool:
        """Whether the sample's question is new; then it counts as known from now on.

        With `max_overlap` below 1 it is not new either when its ROUGE-L (F1 over words) with a known one is higher.
        """
        if self._knows(question_key(sample), _words(sample), max_overlap):
            return False
        self._by_key[question_key(sample)] = _words(sample)
        return True

    def update(self, other: KnownQuestions) -> None:
        """Counts the other's own questions as known too."""
        self._by_key |= other._by_key

    def _knows(self, key: str, words: list[str], max_overlap: float) -> bool:
        if key in self._by_key or (max_overlap < 1 and self._overlap(words) > max_overlap):
            return True
        return self._known is not None and self._known._knows(key, words, max_overlap)

    def _overlap(self, words: list[str]) -> float:
        # On words, one minus the normalised insertions and deletions is twice the longest common subsequence over the
        # sum of the lengths, which is ROUGE-L's F1.
        return max((Indel.normalized_similarity(words, known) for known in self._by_key.values()), default=0.0)


def _words(sample: Sample) -> list[str]:
    return sample.question.lower().split()

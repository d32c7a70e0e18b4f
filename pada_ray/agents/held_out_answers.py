"""Answers of held-out samples that are too short for the leak guard's runs: a title, a name, a span of a passage.

The analyst sees them, and a strategy may offer them as examples to write about. There they are masked. In a new sample
they are no leak: many questions have one answer, and a writer may come to it without having seen it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pada_ray.agents.words import WORD, Run, run_length, runs_of, words_of
from pada_ray.records import Sample
from pada_ray.tasks import get_task

_SHORTEST = 2  # words; single ones, such as `red` or `seven`, are everybody's
_MASK = "…"


class HeldOutAnswers:
    """Those of two words and of fewer than `words`, where they stand in no public sample."""

    def __init__(self, held_out: Iterable[Sample], words: int) -> None:
        self.owners: dict[int, dict[Run, str]] = {}  # number of words -> answer -> sample id
        for sample in held_out:
            for text in get_task(sample.task).own_texts(sample):
                found = words_of(text)
                if _SHORTEST <= len(found) < run_length(found, words):
                    self.owners.setdefault(len(found), {}).setdefault(tuple(found), sample.id)

    def release(self, found: Sequence[str]) -> None:
        """Forgets those that stand in a public text of these words."""
        for length, owners in self.owners.items():
            for run in owners.keys() & runs_of(found, length):
                del owners[run]

    def masked(self, text: str) -> tuple[str, list[tuple[str, str]]]:
        """The text with a `…` in place of each, and the (sample id, words) of these."""
        masked: list[tuple[str, str]] = []
        while place := self._place(words_of(text)):
            start, run, owner = place
            bounds = [match.span() for match in WORD.finditer(text)]
            text = text[: bounds[start][0]] + _MASK + text[bounds[start + len(run) - 1][1] :]
            masked.append((owner, " ".join(run)))
        return text, masked

    def _place(self, found: Sequence[str]) -> tuple[int, Run, str] | None:
        """Where the longest answer is, by words; None if there is none."""
        for length in sorted(self.owners, reverse=True):
            for start, run in enumerate(runs_of(found, length)):
                if owner := self.owners[length].get(run):
                    return start, run, owner
        return None

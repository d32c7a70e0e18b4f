"""Tells when an LLM says the same of different things, as small ones do in long calls: then its texts say nothing."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from pada_ray.agents.known_questions import overlap

_ALIKE = 0.85  # ROUGE-L from which two texts count as one
_FOLLOWS = 0.5  # adjusted Rand index from which two partitions count as one
_SMALLER = 3  # things in a call after a larger one has collapsed; then one


def echoes(texts: Sequence[str]) -> int:
    """How many texts repeat, word for word or nearly so, one before them."""
    return sum(any(overlap(text, other) > _ALIKE for other in texts[:i]) for i, text in enumerate(texts))


def has_collapsed(texts: Sequence[str]) -> bool:
    """Whether more than half of three or more texts are alike."""
    most = max((sum(overlap(text, other) > _ALIKE for other in texts) for text in texts), default=0)
    return len(texts) > 2 and most > len(texts) / 2


def smaller(size: int) -> int | None:
    """The next smaller size of a call: 3, then 1, then none."""
    return next((less for less in (_SMALLER, 1) if less < size), None)


def follow_the_calls(clusters: Sequence[int], calls: Sequence[Hashable]) -> bool:
    """Whether the clusters are the calls that their members were analysed in: `calls` has one entry for each member.
    With one call, or as many as members, there is nothing to follow."""
    from sklearn.metrics import adjusted_rand_score  # late, since it brings scikit-learn

    numbers = {call: i for i, call in enumerate(dict.fromkeys(calls))}
    if not 1 < len(numbers) < len(calls):
        return False
    return bool(adjusted_rand_score([numbers[call] for call in calls], list(clusters)) > _FOLLOWS)

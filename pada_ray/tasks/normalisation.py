"""When two texts count as equal: each normalisation maps a text to what is compared."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from pada_ray.config.normalisation import Normalisation
from pada_ray.tasks.extractive_qa import comparable as squad


def _whitespace(text: str) -> str:
    return " ".join(text.split())


def _case(text: str) -> str:
    return _whitespace(unicodedata.normalize("NFKC", text).casefold())


def _punctuation(text: str) -> str:
    """Without punctuation; the text in lower case where that leaves nothing of it."""
    kept = "".join(sign for sign in _case(text) if not unicodedata.category(sign).startswith("P"))
    return _whitespace(kept) or _case(text)


NORMALISATIONS: dict[Normalisation, Callable[[str], str]] = {
    "none": lambda text: text,
    "whitespace": _whitespace,
    "case": _case,
    "punctuation": _punctuation,
    "squad": squad,
}

"""The words of a text, whatever its script, and the runs of words that two texts may share."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

Run = tuple[str, ...]

# Scripts that put no spaces between words (Thai, Lao, Burmese, Khmer, kana, Han): a character counts as a word.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_MARKS = "".join(c for c in map(chr, range(0x300, 0x20000)) if unicodedata.category(c) in ("Mn", "Mc"))
# Signs without width: soft hyphens, joiners, directions, variants. One text may have them and its copy not.
_UNSEEN = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff"
WORD = re.compile(rf"(?:[^\W_{_UNSPACED}]+[{_MARKS}{_UNSEEN}]*)+|[{_UNSPACED}][{_MARKS}{_UNSEEN}]*")
_IS_UNSEEN = re.compile(f"[{_UNSEEN}]")
# What `WORD` and lower() make of ASCII, in a table. That is some thirty times as fast.
_ASCII = str.maketrans({c: c.lower() if c.isalnum() else " " for c in map(chr, range(128))})
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_CHARACTERS = 1.6  # of an average Chinese word


def words_of(text: str) -> list[str]:
    if text.isascii():
        return text.translate(_ASCII).split()
    # Put into one encoding after they are found, so that each is still the word that stands there in the text.
    found = unicodedata.normalize("NFC", _IS_UNSEEN.sub("", " ".join(WORD.findall(text))))
    # Lower-casing a whole text may change where its words end.
    return [word.lower() for word in found.split()]


def run_length(found: list[str], words: int) -> int:
    """How long a run is in a text of these words."""
    if "".join(found).isascii():
        return words
    unspaced = sum(_IS_UNSPACED.match(word) is not None for word in found)
    return round(words * _CHARACTERS) if 2 * unspaced > len(found) else words


def runs_of(words: Sequence[str], length: int) -> Iterator[Run]:
    return zip(*(words[i:] for i in range(length)), strict=False)


def rarest_words(runs: Iterable[Run]) -> set[str]:
    """A word of each run, the one that the fewest runs have. A text without these words has none of the runs."""
    runs = list(runs)
    known = Counter(word for run in runs for word in run)
    return {min(run, key=known.__getitem__) for run in runs}

"""The label that a reply names."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable

from pada_ray.tasks.own_words import own_words

_SEPARATOR = re.compile(r"[\s_-]+")
_AROUND = " \t\r\n\"'`*.!“”‘’«»()[]{}<>_"  # what is written around a label
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[ \t]*(?:\w+[ \t]*)?$", re.MULTILINE)
_NOUN = r"(?:label|intent|category|class|classification|topic|tag|type|sentiment|answer|name|result|output)"
_LEAD = re.compile(
    rf"\A[\W_]*(?:(?:the|final|predicted|correct|best)\s+)*{_NOUN}[\s*_\"'`]*(?::|=|\bis\b:?)", re.IGNORECASE
)
_STATED = re.compile(rf"\b{_NOUN}\b[^.;\n]{{0,40}}(?:\bis\b|\bbe\b|:|=)\s*\Z", re.IGNORECASE)
_MOST_BEFORE = 60  # characters of these words
_ENDS = re.compile(r"\s*(?:[.,;!\n]|\Z)")
# What makes of a label in a sentence another thing than the reply's choice.
_RULED_OUT = re.compile(
    r"\b(?:not|nor|neither|never|no|cannot|rather than|instead of|unlike|except|maybe|perhaps|might|could)\b"
    r"|n['’]t\b|\?",
    re.IGNORECASE,
)


def label_like(text: str) -> str | None:
    """The reply without thoughts, fences, a name such as `Label:` before it, quotes, emphasis and a full stop."""
    text = _FENCE.sub("", own_words(text)).strip()
    bare = _bare(text)
    return bare or text or None


def same_label(text: str, label: str) -> bool:
    """Whether they differ in nothing but case, and spaces for underscores."""
    return _key(text) == _key(label)


def label_in(reply: str, labels: Iterable[str]) -> str | None:
    """The one label that a reply chooses, None if there is none or more than one.

    First the lines that are a label and nothing else, up to what `label_like` takes away; then, where the reply rules
    nothing out, labels that are set off in a sentence: in quotes or emphasis, written with an underscore, or behind
    `the label is`. Case, and spaces for underscores, count only where another label differs in nothing else.
    """
    names = _Names.of(tuple(labels))
    text = _FENCE.sub("", own_words(reply)).strip()
    whole = names.whole(text) or names.whole(_bare(text))
    if whole is not None:
        return whole
    lines = {names.whole(line) or names.whole(_bare(line)) for line in text.splitlines()} - {None}
    found = lines or names.set_off(text)
    label = found.pop() if len(found) == 1 else None
    if label and not lines and _RULED_OUT.search(names.without(label, text)):
        return None
    return label


def _bare(text: str) -> str:
    return _LEAD.sub("", text.strip(), count=1).strip(_AROUND)


class _Names:
    """The labels of a set, to be found in texts."""

    def __init__(self, labels: tuple[str, ...]):
        self._exact = {label.strip(): label for label in labels}
        times = Counter(_key(label) for label in labels)
        self._loose = {_key(label): label for label in labels if times[_key(label)] == 1}
        longest_first = sorted(self._loose, key=len, reverse=True)
        spelled = "|".join(r"[\s_-]+".join(map(re.escape, key.split(" "))) for key in longest_first)
        self._mention = re.compile(rf"(?<![\w-])(?:{spelled})(?![\w-])" if spelled else r"(?!)", re.IGNORECASE)

    @staticmethod
    @functools.lru_cache(maxsize=16)
    def of(labels: tuple[str, ...]) -> _Names:
        return _Names(labels)

    def whole(self, text: str) -> str | None:
        return self._exact.get(text.strip()) or self._loose.get(_key(text))

    def set_off(self, text: str) -> set[str | None]:
        mentions = (found[0] for found in self._mention.finditer(text) if _is_set_off(found))
        # A pattern matches `İ` with `i`, and casefold makes something else of it.
        return {self._loose.get(_key(mention)) for mention in mentions} - {None}

    def without(self, label: str, text: str) -> str:
        """The text without its mentions of a label, which may itself be called `not relevant`."""
        return self._mention.sub(lambda found: "" if self._loose.get(_key(found[0])) == label else found[0], text)


def _is_set_off(found: re.Match[str]) -> bool:
    text, start, end = found.string, found.start(), found.end()
    before, after = text[max(0, start - _MOST_BEFORE) : start], text[end : end + 1]
    if "_" in found[0] or (before[-1:] in tuple("\"'`*“‘«[(") and after in tuple("\"'`*”’»])")):
        return True
    return _ENDS.match(text, end) is not None and _STATED.search(before) is not None


def _key(text: str) -> str:
    return _SEPARATOR.sub(" ", text.casefold()).strip()

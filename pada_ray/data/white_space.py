"""White space around a text, which says nothing, and the indentation of its first line, which does in Python."""

from __future__ import annotations

import re

_BLANK_LINES = re.compile(r"\A(?:[^\S\n]*\n)+")
_ONE_SPACE = re.compile(r"\A (?=\S)")


def trimmed(text: str) -> str:
    """The text without blank lines and spaces around it. Its first line keeps an indentation of two spaces or more, or
    of tabs: the body of a function may be a whole reply."""
    return _ONE_SPACE.sub("", _BLANK_LINES.sub("", text.rstrip()))

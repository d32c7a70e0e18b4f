"""Removes from text of a model or a server what would control a terminal or cannot be written to a file."""

from __future__ import annotations

import re

# All control characters except tab and line feed, and lone surrogates.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: str) -> str:
    return _CONTROL.sub("", text.replace("\r\n", "\n"))

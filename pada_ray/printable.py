"""Text from a model or a server without what would steer a terminal, or cannot be written to a file."""

from __future__ import annotations

import re

# All control characters but tab and line feed, and halves of characters.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: str) -> str:
    return _CONTROL.sub("", text.replace("\r\n", "\n"))

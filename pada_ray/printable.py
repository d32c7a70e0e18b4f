"""Text of a model or a server: without what would control a terminal or cannot be written, with what hides shown."""

from __future__ import annotations

import re

# All control characters except tab and line feed, and lone surrogates.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: str) -> str:
    return _CONTROL.sub("", text.replace("\r\n", "\n"))


# Marks that turn the direction of writing, have no width, separate lines unseen, or tag the text: a reader would see
# another text than a model does. Without variation selectors, which only choose how a character looks.
_HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """The text with each hidden mark as its number, such as [U+202E]."""
    return _HIDDEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)

"""Which texts say the same: equal up to case, spaces and the punctuation of prose, and different by any other sign."""

from __future__ import annotations

import re
import unicodedata

_PROSE = r".,;:!?'\"`…“”„‘’‚«»‹›¿¡、。，！？：；「」『』（）\-−–—‐‑"
# Spaces without width, and the sign that asks for an emoji in colour. Fewer than the leak guard's: a joiner (U+200D)
# makes another emoji, or another letter, of its neighbours.
_UNSEEN = re.compile("[\u00ad\u200b\u200c\u2060\ufe0f\ufeff]")
# A word, a sign that is no punctuation, or punctuation that means something where it stands: the point of a number, a
# minus, a factorial, a negation, a ratio, a derivative, a name with `_`.
_KEPT = re.compile(
    rf"[^\W_]+|[^\w\s{_PROSE}]|\.(?=\d)"
    r"|(?:(?<=[\d)=(\]])|(?<=\b\w))\s*[-−]\s*(?=[\d(.]|\w\b)|(?<![\w)\]\-−])[-−]+(?=[\w(.])"
    r"|(?<=[\d)])!+|(?<=\b\w)!+|!(?=[\w=(])|(?<=\d):(?=\d)|(?<=\b\w)['’]+(?=\()|(?<=[^\W_])_+|(?<!_)_+(?=[^\W_])"
)

_EMPHASIS = re.compile(r"(?<![\w*])(\*{1,3})(?=[^\s*])(.{1,1000}?)(?<=[^\s*])\1(?![\w*])")  # of Markdown


def tokens(text: str) -> list[str]:
    """The words of a text in lower case, and the signs that distinguish it, in order."""
    text = text if text.isascii() else _UNSEEN.sub("", unicodedata.normalize("NFC", text))
    text = _EMPHASIS.sub(r"\2", text)
    return [kept.strip().replace("−", "-").replace("’", "'") for kept in _KEPT.findall(text.lower())]


def text_key(text: str) -> str:
    """Equal for texts that say the same; the text itself if it has neither words nor signs."""
    return " ".join(tokens(text)) or text

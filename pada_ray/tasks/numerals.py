"""Numbers as people write them, read exactly: `-3`, `$1,250.50`, `3/4`, `2 1/2`, `\\frac{3}{4}`, `25%`, `1e3`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

PLAIN = r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"  # no sign, no fraction
# Not after `^`, which marks the power in a unit such as m^2.
_NUMBER = re.compile(
    rf"(?<![\w.^])(-?\$?-?)(?:(\d+)\s+(?=\d+/\d))?"
    rf"(?:\(({PLAIN})\)/\(({PLAIN})\)|({PLAIN}(?:[eE][-+]?\d\d?(?!\w))?)(?:/({PLAIN}))?)"
)
_SIGNS = str.maketrans(
    {"−": "-", "–": "-", "×": "*", "·": "*", "÷": "/", "€": "$", "£": "$", "\u00a0": " ", "\u202f": " "}
    | {"½": " 1/2", "¼": " 1/4", "¾": " 3/4"}
)
_REWRITES = [
    (re.compile(r"(?<=\d)\s*\\[dt]?frac\{(\d+)\}\{(\d+)\}"), r" \1/\2"),
    (re.compile(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}"), r"(\1)/(\2)"),
    (re.compile(r"\\(?:text|mathrm|mbox)\{([^{}]*)\}"), r" \1 "),
    (re.compile(r"\\(?:times|cdot)\b"), "*"),
    (re.compile(r"\\div\b"), "/"),
    (re.compile(r"\\[,!;: ]|\\[()\[\]]|\\left\b|\\right\b"), ""),
    (re.compile(r"\{,\}(?=\d)"), ","),
    (re.compile(r"\^\{(\d+)\}"), r"^\1"),
    (re.compile(r"\\([$%])"), r"\1"),
]
_INNER_SPACE = re.compile(r"(?<=\d)\s(?=\d{3}(?!\d))|(?<=^-)\s+|[,$]")


class Found(NamedTuple):
    value: Fraction
    end: int  # where it ends


def tidy(text: str) -> str:
    """The text with LaTeX and typographic signs in plain form."""
    text = text.translate(_SIGNS)
    for pattern, plain in _REWRITES:
        text = pattern.sub(plain, text)
    return text


def _value(match: re.Match[str]) -> Fraction | None:
    sign, whole, *parts = match.groups()
    top, bottom = [part.replace(",", "") for part in parts if part] + ([] if parts[1] or parts[3] else ["1"])
    try:
        size = Fraction(top) / Fraction(bottom) + int(whole or 0)
    except (ValueError, ZeroDivisionError):  # ValueError: more digits than Python converts
        return None
    return -size if "-" in sign else size


def found_numbers(text: str) -> Iterator[Found]:
    """The numbers in a text, in order, with their ends in the tidied text. Percent signs are dropped; a minus
    counts only if it is attached."""
    for match in _NUMBER.finditer(tidy(text)):
        value = _value(match)
        if value is not None:
            yield Found(value, match.end())


def numbers(text: str) -> list[Fraction]:
    return [found.value for found in found_numbers(text)]


def number(text: str) -> Fraction | None:
    """The whole text as a number, None if it is not one. Spaces, `$`, `%`, `*` and a full stop around it are
    dropped, and so are commas and spaces between thousands (`1 000`)."""
    text = tidy(text).strip(" \t\r\n*$").rstrip("*%. ")
    match = _NUMBER.fullmatch(text) or _NUMBER.fullmatch(_INNER_SPACE.sub("", text))
    return _value(match) if match else None


def show(value: Fraction) -> str:
    """`72`, `0.5`, or `1/3` if no short decimal is equal. `number(show(value)) == value`."""
    for places in range(13):
        shifted = value * 10**places
        if shifted.denominator == 1:
            sign, digits = "-" if value < 0 else "", str(abs(shifted.numerator)).rjust(places + 1, "0")
            return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"
    return f"{value.numerator}/{value.denominator}"

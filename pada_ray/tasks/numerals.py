"""Numbers as people write them, read exactly: `-3`, `$1,250.50`, `3/4`, `2 1/2`, `\\frac{3}{4}`, `25%`, `1.5 x 10^3`.

The rule is: the number or none, and never another. What begins like a number and goes on in a way that is not read
(`1,5`, `2^3`, `\\sqrt{2}`, `3x`) is found too, without a value, so that no part of it passes for the whole.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

# Thousands with commas, in India hundreds of thousands too, in Switzerland apostrophes, in code underscores.
_GROUPED = "|".join(
    rf"{grouped}(?!\d)"
    for grouped in (r"\d{1,3}(?:,\d{3})+", r"\d{1,2}(?:,\d\d)+,\d{3}", r"\d{1,3}(?:['’]\d{3})+", r"\d{1,3}(?:_\d{3})+")
)
PLAIN = rf"(?:(?:{_GROUPED})(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"  # no sign, no fraction
_PART = rf"(?:\(\s*-?{PLAIN}\s*\)|-?{PLAIN})"  # of a fraction
_NUMBER = re.compile(
    rf"(?<![\w.^])(?<!\d[,'’:])(?P<sign>-?\$?-?)(?:"
    r"(?P<spaced>\d{1,3}(?: \d{3})* 000)(?!\d|/\d)"
    r"|\d{1,3}(?: \d{3})+(?!\d|/\d)"  # not read: 24 500 may be one number or two
    rf"|(?:(?:(?P<whole>\d+)\s+(?=\(?\d+\)?/))?(?P<top>{_PART})/(?P<bottom>{_PART})"
    rf"|(?:(?P<factor>{PLAIN})\s*[*x]\s*)?10(?:\^|\*\*)\(?(?P<power>[-+]?\d\d?)\)?"
    rf"|(?P<plain>{PLAIN}(?:e[-+]?\d\d?(?!\w))?))(?![\d_]|[.,'’]\d|:(?!00\b)\d)"
    r"|\d[\d.,'’:_]*)",  # not read either
    re.IGNORECASE,
)
# Part of an expression that is not read.
_INSIDE = re.compile(
    r"(?:(?:[√∛±]|\\pm\b|\\(?:sqrt|log|ln|sin|cos|tan|exp|binom|overline|bar|dot)\b)\s*(?:\[\d*\])?\s*[({]*\s*|[\w)}]/\(*\s*|-\(+\s*|\))$"
)
_GOES_ON = re.compile(
    r"\.?\s*\\(?:overline|bar|dot|pi|sqrt|[cdt]?frac|pm|ln|log|sin|cos|tan|theta|alpha|beta|infty|choose|bmod)\b"
    r"|\s*[π√∛±∞]|[⁰¹²³⁴-⁹]|(?:\^|\*\*)\s*[-({]*\d|\)?/\(|/?[xyzni]\b"
)
_POWER = re.compile(r"(?:\^|(?<=[\w)])\*\*)[-({]*$")  # which marks no number of its own
_SIGN_IN_WORDS = re.compile(r"(?:(\w+|[)%])\s+)?\b(negative|minus)\s+$", re.IGNORECASE)
# Behind these words `minus` is a sign; behind others something is taken away.
_BEFORE_A_SIGN = {"is", "are", "was", "be", "to", "of", "at", "by", "equals", "equal", "answer", "about", "so", "then"}
_BEFORE_A_SIGN |= {"get", "gets", "got", "gives", "makes", "reads", "thus", "final"}

_SIGNS = str.maketrans(
    {"−": "-", "–": "-", "×": "*", "·": "*", "÷": "/", "⁄": "/", "€": "$", "£": "$", "\u00a0": " ", "\u202f": " "}
    | {"\u2009": " "}
    | {c: " " + unicodedata.normalize("NFKC", c).replace("⁄", "/") for c in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞⅐⅑⅒"}
)
_ARGUMENT = r"\s*(?:\{([^{}]*)\}|(\d))"  # of a LaTeX command
_FRACTION = re.compile(rf"(?P<behind>(?<=\d)\s*)?\\[cdt]?frac{_ARGUMENT}{_ARGUMENT}")
_REWRITES = [
    (re.compile(r"\\(?:text|textbf|mathrm|mathbf|mbox)\{([^{}]*)\}"), r" \1 "),
    (re.compile(r"\\(?:times|cdot)\b"), "*"),
    (re.compile(r"\\div\b"), "/"),
    (re.compile(r"\\[,!;: ]|\\[()\[\]]|\\left\b|\\right\b"), ""),
    (re.compile(r"\{,\}(?=\d)"), ","),
    (re.compile(r"\^\{([-+]?\d+)\}"), r"^\1"),
    (re.compile(r"\\([$%])"), r"\1"),
]
_THIN_SPACE = re.compile(r"(?<=\d)[\u00a0\u202f\u2009](?=\d{3}(?!\d))")
_POWER_OF_TEN = re.compile(r"(?<=[^\d.]10)[⁻⁰¹²³⁴-⁹]+")
_UNGROUPED = str.maketrans("", "", ",'’_ ")
_SIGN_WORD = re.compile(r"(?:negative|minus) ", re.IGNORECASE)
_WRAPPED = re.compile(r"\A\((.*)\)\Z")
_SPACED = re.compile(r"(-?)\s*(\$?)\s*(\d{1,3}(?: \d{3})*(?:\.\d+)?|\S+)")


class Found(NamedTuple):
    value: Fraction | None  # None: what stands there is not read
    end: int  # where it ends


def tidy(text: str) -> str:
    """The text with LaTeX and typographic signs in plain form."""
    text = _POWER_OF_TEN.sub(lambda match: f"^{unicodedata.normalize('NFKC', match[0])}", _THIN_SPACE.sub(",", text))
    text = text.translate(_SIGNS)
    while (plain := _FRACTION.sub(_slashed, text)) != text:  # from the innermost
        text = plain
    for pattern, plain in _REWRITES:
        text = pattern.sub(plain, text)
    return text


def _slashed(fraction: re.Match[str]) -> str:
    behind, *parts = fraction.groups()
    top, bottom = (part for part in parts if part is not None)
    return f"{'' if behind is None else ' '}({top})/({bottom})"


def _value(match: re.Match[str]) -> Fraction | None:
    part = {name: text.strip("( )").translate(_UNGROUPED) for name, text in match.groupdict().items() if text}
    try:
        if "top" in part:
            size = Fraction(part["top"]) / Fraction(part["bottom"]) + int(part.get("whole", 0))
        elif "power" in part:
            size = Fraction(part.get("factor", 1)) * Fraction(10) ** int(part["power"])
        else:
            size = Fraction(part["spaced"] if "spaced" in part else part["plain"])
    except (
        KeyError,
        ValueError,
        ZeroDivisionError,
    ):  # KeyError: not read; ValueError: more digits than Python converts
        return None
    return -size if "-" in match["sign"] else size


def found_numbers(text: str) -> Iterator[Found]:
    """The numbers in a text, in order, with their ends in the tidied text. Percent signs are dropped; a minus
    counts only if it is attached, or written as a word."""
    text = tidy(text)
    for match in _NUMBER.finditer(text):
        before = text[max(0, match.start() - 40) : match.start()]
        if not _POWER.search(before):
            sign = _sign_in_words(before)
            read = sign and not _INSIDE.search(before) and not _GOES_ON.match(text, match.end())
            value = _value(match) if read else None
            yield Found(None if value is None or sign is None else sign * value, match.end())


def _sign_in_words(before: str) -> int | None:
    """1 or -1, by the word before a number; None if something is taken away there."""
    found = _SIGN_IN_WORDS.search(before)
    if found is None:
        return 1
    is_sign = found[2].lower() == "negative" or found[1] is None or found[1].lower() in _BEFORE_A_SIGN
    return -1 if is_sign else None


def numbers(text: str) -> list[Fraction]:
    return [found.value for found in found_numbers(text) if found.value is not None]


def number(text: str) -> Fraction | None:
    """The whole text as a number, None if it is not one. Spaces, `$`, `%`, `*` and a full stop around it are
    dropped, and so are spaces between thousands (`1 000`)."""
    text = tidy(text).strip(" \t\r\n*$").rstrip("*%. ")
    sign, text = (-1, text.partition(" ")[2]) if _SIGN_WORD.match(text) else (1, text)
    match = _NUMBER.fullmatch(text) or _NUMBER.fullmatch(_WRAPPED.sub(r"\1", text))
    spaced = _SPACED.fullmatch(text)
    if (match is None or _value(match) is None) and spaced:
        match = _NUMBER.fullmatch(spaced[1] + spaced[3].replace(" ", ""))
    value = _value(match) if match else None
    return None if value is None else sign * value


def show(value: Fraction) -> str:
    """`72`, `0.5`, or `1/3` if no short decimal is equal. `number(show(value)) == value`."""
    for places in range(13):
        shifted = value * 10**places
        if shifted.denominator == 1:
            sign, digits = "-" if value < 0 else "", str(abs(shifted.numerator)).rjust(places + 1, "0")
            return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"
    return f"{value.numerator}/{value.denominator}"

"""The final number of a worked solution."""

from __future__ import annotations

import re
from fractions import Fraction

from pada_ray.tasks.numerals import found_numbers, number, tidy
from pada_ray.tasks.own_words import own_words

_HASHES = re.compile(r"####+")
_CLOSING_HASHES = re.compile(r"(?<=[^#\s])[ \t]*#+[ \t]*$", re.MULTILINE)
_HEADING = re.compile(r"\W*\d+[.)]\s+[A-Z]")  # "#### 2. Count the eggs"
_STATED = re.compile(
    r"\banswer\b(?:[^.,:=?\n]{0,40}\b(?:is|(?:would|should|must) be)\b(?!\s+not\b)\s*:?|[\s*_\"']*[:=])"
    r"|\\(?:boxed|fbox)\s*\{(?P<boxed>(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
# What may precede the number on its line.
_LEAD = re.compile(
    r"(?:\W|[a-z](?=\s*=)|\b(?:answer|final|the|is|are|it|that|so|thus|therefore|then|simply|just|exactly|about"
    r"|approximately|around|roughly|only|a(?!\s*=)|total|of|equals?|to|boxed|rs|usd|negative|minus)\b)*",
    re.IGNORECASE,
)
# Where the claim ends and a remark on it begins.
_ASIDE = re.compile(r"[.;!?](?=\s|$)|,\s(?!\W{0,3}\d)|\s(?:because|since|as|so|which|when|if|where)\b|\s\(")
# What follows a number that is not the answer by itself: a choice, a range, a calculation, a time, a second unit.
_MORE = re.compile(
    r"\s*(?:plus|minus|times|over|(?:multiplied|divided) by)\s+\W{0,3}\d"
    r"|(?:\s*[a-z%]+){0,2},?\s*\b(?:or|and|to)\s+\W{0,3}\d"
    r"|\s*(?:[-+*/^x]|,|:(?!00\b))\s*[-$(]*\d"
    r"|\s*(?:h|hrs?|hours?|min(?:ute)?s?|feet|foot|ft|lbs?|pounds?|years?|months?|weeks?|days?|dollars?)\.?,?\s+\d",
    re.IGNORECASE,
)


def _opens_with_number(line: str) -> bool:
    digit = _DIGIT.search(line)
    return digit is not None and _LEAD.fullmatch(line, 0, digit.start()) is not None


def _first_line(text: str) -> tuple[str, str]:
    """The first line that is not blank, and what follows it."""
    line, _, rest = text.lstrip().partition("\n")
    return line.rstrip(), rest


def split_answer(reply: str) -> tuple[str, str | None]:
    """The reasoning, and the line with the final answer, None if nothing announces it.

    An announcement counts only if a number opens its line, because a reply may begin with `Answer:` and then
    reason, or use `####` for headings. If a calculation follows `Answer:`, there must be no number after its
    line. A `####` with no number after it counts too, and so does a box with whatever is in it.
    """
    reply = _CLOSING_HASHES.sub("", own_words(reply))
    hashes, stated = list(_HASHES.finditer(reply)), list(_STATED.finditer(reply))
    if hashes:
        line, rest = _first_line(reply[hashes[-1].end() :])
        more = _DIGIT.search(rest)
        if (_opens_with_number(line) and not (more and _HEADING.match(line))) or not (more or _DIGIT.search(line)):
            return reply[: hashes[-1].start()], line
    if stated:
        last = stated[-1]
        if last["boxed"] is not None:
            return reply[: last.start()], last["boxed"]
        line, rest = _first_line(reply[last.end() :])
        if _opens_with_number(tidy(line)) and not ("=" in line and _DIGIT.search(rest)):
            return reply[: last.start()], line
    return reply, None


def _claimed(line: str) -> Fraction | None:
    """The number that a line claims: the whole line, or what opens it or follows its last equals sign. None if
    that is only part of a claim: `3 or 4`, `3 to 5`, `3 + 4`, `3:30`, `2 hours 30 minutes`."""
    whole, line = number(line), tidy(line)
    digit = _DIGIT.search(line)
    if whole is not None or digit is None:
        return whole
    aside = _ASIDE.search(line, digit.end())
    for side in reversed(re.split("[=≈]", line[: aside.start()] if aside else line)):
        found = next(found_numbers(side), None)
        if found and _opens_with_number(side) and not _MORE.match(side, found.end):
            return found.value
    return None


def final_number(reply: str) -> Fraction | None:
    """The number after the last `####`; else after the last `Answer:`, `the answer is` or `\\boxed{`; else the
    last number of the reply. See `split_answer` for what counts as announced."""
    reasoning, answer = split_answer(reply)
    if answer is not None:
        return _claimed(answer)
    found = list(found_numbers(reasoning))
    return found[-1].value if found else None

"""The equations in a worked solution, and whether they hold.

An equation counts as false only if no reading of it holds and the text around it leaves no doubt about
where it begins and ends. Every other equation that does not hold or cannot be read is undecided, because a
sound solution must never be called wrong.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import product
from typing import NamedTuple

from pada_ray.tasks.numerals import PLAIN, tidy

_CALCULATOR_MARK = re.compile(r"<<([^<>]*)>>")  # GSM8K writes 4*20=<<4*20=80>>80
_TIMES = re.compile(r"(?<=[\d)%])\s*[xX]\s*(?=[\d($.])")
_EQUALS = re.compile(r"(?<![<>!=≥≤≠≈~])==?(?![=>])")
# A text must split into tokens in one way only, or a long row of digits or stars backtracks for ever.
_TOKEN = rf"(?:\$?{PLAIN}(?!\d|\.\d)%?|\*\*|\*(?!\*)|[-+/^()])"
_AT_END = re.compile(rf"(?<![\w.,]){_TOKEN}(?:[ \t]*{_TOKEN})*[ \t]*$")
_AT_START = re.compile(rf"[ \t]*{_TOKEN}(?:[ \t]*{_TOKEN})*")

_CHANGE = re.compile(rf"^(.*?[\d)%]\s*)([-+])\s*({PLAIN})%")
_CHANGE_OF_ONE = re.compile(rf"({PLAIN})\s*([-+])\s*({PLAIN})%")

# Next to these, what looks like an equation may be only part of one.
_SCALE = r"dozens?|hundred|thousand|million|billion|percent"
_DOUBT_BEFORE = re.compile(
    rf"(?:[^\s(\[\"'*_=]|\d,\s*|\d\s+and\s+|[-+*/^]\s*|\b(?:{_SCALE}|of|half|third|quarter|twice|double|triple"
    r"|times|plus|minus|by|over|squared|cubed|less|more|from|than|root|per|add|subtract|multiply|divide"
    r"|(?:add|subtract|multiply|divid)ing)\s+)$",
    re.IGNORECASE,
)
_DOUBT_AFTER = re.compile(rf"[\w^²³!√(]|[:,.]\d|\s*(?:{_SCALE}|rem|[rkm]\b|mod\b|and\s+\d|[-+*/^])", re.IGNORECASE)

_MOST_BITS = 1000  # of a power, because a tower of powers would take for ever

_OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class Equation(NamedTuple):
    """One equals sign. If its sides could not be read, `right` and `holds` are None."""

    text: str
    right: Fraction | None  # the value after the sign
    holds: bool | None  # None: undecided
    rest: str  # the text that follows, to its end


def _compute(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int() | float()):
            return Fraction(repr(node.value))
        case ast.UnaryOp(op=ast.USub()):
            return -_compute(node.operand)
        case ast.BinOp(op=ast.Pow()):
            base, power = _compute(node.left), _compute(node.right)
            bits = max(base.numerator.bit_length(), base.denominator.bit_length())
            if power.denominator == 1 and 0 <= power <= 20 and bits * power <= _MOST_BITS:
                return Fraction(base**power.numerator)
        case ast.BinOp() if type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](_compute(node.left), _compute(node.right))
    raise ValueError("not arithmetic")


def evaluate(expression: str, percent: str = "") -> Fraction | None:
    """The value of an expression of numbers and `+ - * / ^ ( )`, None for any other text. Each percent sign
    becomes the text `percent`: `/100` or nothing."""
    python = re.sub(r"[$,'’_]", "", expression).replace("^", "**").strip()
    python = re.sub(r"(?<=[\d)%])\s*(?=\()|(?<=\))\s*(?=\d)", "*", python)
    python = re.sub(r"([\d.]+)%", rf"(\1{percent})", python)
    if len(python) > 300 or re.search(r"\d{20}", python):
        return None
    try:
        return _compute(ast.parse(python, mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return None


def _close(left: Fraction, right: Fraction, left_text: str, right_text: str) -> bool:
    """Equal up to the rounding that the texts show, and up to cents written as dollars."""
    room = Fraction(0)
    plain = re.fullmatch(r"[\s$-]*[\d,]*(?:\.(\d+))?%?\s*", right_text)
    if plain and plain[1]:
        room = Fraction(1, 10 ** len(plain[1]))
    elif plain and left.denominator > 1 and re.search(r"[/%]", left_text):
        room = Fraction(1)
    if left.denominator > 1 and "." in left_text:  # its own numbers may have been rounded
        room = max(room, abs(left) / 500)
    return left == right or abs(left - right) < room or left == 100 * right or right == 100 * left


def _equal(left: str, right: str) -> bool:
    """Whether two expressions are equal in some reading of their percent signs, of `60 / 3/4` (the slash
    without spaces may bind first), of `80 - 25%` (which may be 60), and of `3 + 4 = 7 + 2 = 9` (the right side may end
    at 7)."""
    lefts = {left, re.sub(rf"(?<=/ )({PLAIN}/{PLAIN})", r"(\1)", left), *_changed(left)}
    for one, other, p, q in product(lefts, {right, *_changed(right)}, ("", "/100"), ("", "/100")):
        a, b = evaluate(one, p), evaluate(other, q)
        if a is not None and b is not None and (_close(a, b, left, right) or _close(b, a, right, left)):
            return True
    return evaluate(left) == evaluate(re.sub(r"(?<=\d)\s*[-+*/].*$", "", right))


def _changed(expression: str) -> tuple[str, str]:
    """Each `A - 25%` as `A * (1 - 25/100)`, where A is all that stands before it, up to its bracket; and where A is the
    one number before it."""
    of_one = _CHANGE_OF_ONE.sub(r"\1*(1\2\3/100)", expression)
    while (found := _CHANGE.match(expression)) is not None:
        expression = f"({found[1]})*(1{found[2]}{found[3]}/100){expression[found.end() :]}"
    return expression, of_one


def _balanced_end(text: str) -> str:
    """The part after the last `(` that is never closed."""
    depth = 0
    for position in reversed(range(len(text))):
        depth += {")": 1, "(": -1}.get(text[position], 0)
        if depth < 0:
            return text[position + 1 :]
    return text


def _balanced_start(text: str) -> str:
    """The part before the first `)` that was never opened, without a `(` at its end."""
    depth = 0
    for position, sign in enumerate(text):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if depth < 0:
            return text[:position]
    return text.rstrip("( ")


def equations(text: str) -> Iterator[Equation]:
    """The equations `a op b ... = c` of a text in order; a chain gives one for each equals sign."""
    text = tidy(text)
    for mark in _CALCULATOR_MARK.findall(text):
        yield from equations(mark)
    text = _TIMES.sub("*", _CALCULATOR_MARK.sub("", text))
    start = 0
    for equals in _EQUALS.finditer(text):
        left_found = _AT_END.search(text, max(start, equals.start() - 300), equals.start())
        right_found = _AT_START.match(text, equals.end())
        start = equals.end()
        left = _balanced_end(left_found[0]) if left_found else ""
        right = _balanced_start(right_found[0]) if right_found else ""
        before, rest = text[: equals.start() - len(left)], text[equals.end() + len(right) :]
        value = evaluate(right)
        if evaluate(left) is None or value is None or not re.search(r"[\d)%]\s*[-+*/^]", f"{left}|{right}"):
            yield Equation(f"{left.strip()} = {right.strip()}", None, None, rest)
            continue
        holds: bool | None = _equal(left, right)
        # "Week 2 = 35 + 35" and "Weeks 1-2 = 96 - 70" begin with labels; the minus of "10 apples -3 = 7" is
        # no sign.
        label = re.fullmatch(rf"\s*({PLAIN}|\d+-\d+\s+)\s*", left) and not before.rstrip().endswith("=")
        around = _DOUBT_BEFORE.search(before[-40:]) or _DOUBT_AFTER.match(rest)
        if not holds and (label or around or left.lstrip()[:1] == "-"):
            holds = None
        yield Equation(f"{left.strip()} = {right.strip()}", value, holds, rest)

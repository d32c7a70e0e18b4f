"""Finds JSON objects and arrays in a text, whole or broken off."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from pada_ray.llm.mend_json import closing, mended

BROKEN_OFF = "The reply breaks off before it is complete."

_OPENING = re.compile(r"[{\[]")
_BEGINS_JSON = re.compile(r"""\{\s*(?:["'/}]|[\w-]+\s*[:=]|\Z)|\[\s*(?:[\[{"'/\]\d]|\Z)""")
_BETWEEN = re.compile(r"(?:[\s,;]|```\w*)*")
_GAP = re.compile(r"(?:[\s,]|//[^\n]*|/\*[\s\S]*?(?:\*/|\Z))*")
_KEY = re.compile(r"""(?:"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'|([\w-]+))\s*:\s*""")


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    if len(value) < len(members):
        raise ValueError("A key stands twice in it.")
    return value


_DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_once)  # models leave raw line breaks inside strings


def whole(text: str, at: int) -> tuple[Any, int]:
    """The JSON value that begins at a position, and its end. Raises ValueError, saying why, if it is not there."""
    try:
        value, end = _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as e:
        value, end = _mended(text, at, e)
    except RecursionError:
        raise ValueError("It is nested too deeply.") from None
    if end == len(text) and isinstance(value, int | float):
        raise ValueError(BROKEN_OFF)  # the 1 may be the beginning of a 10
    return value, end


def _mended(text: str, at: int, problem: json.JSONDecodeError) -> tuple[Any, int]:
    end = _closing(text, at)
    if end is None:
        raise ValueError(BROKEN_OFF)
    try:
        return mended(text[at:end]), end
    except ValueError:
        raise ValueError(
            f"It is no valid JSON: {problem.msg} at its character {problem.pos - at}. Inside a text write a quotation "
            'mark as \\" and a backslash as \\\\.'
        ) from None


class Part(NamedTuple):
    """A stretch of a text with objects or arrays that nothing stands between, as in JSON Lines."""

    at: list[int]  # where each begins
    end: int
    closed: bool


def parts(text: str) -> list[Part]:
    """The outermost objects and arrays of a text. One that is not closed ends with the text; a bracket that nothing
    like JSON follows is none."""
    found: list[Part] = []
    at = 0
    while opening := _OPENING.search(text, at):
        begin = opening.start()
        if not _BEGINS_JSON.match(text, begin):
            at = opening.end()
            continue
        end = closing(text, begin)
        at = len(text) if end is None else end
        if found and _BETWEEN.fullmatch(text, found[-1].end, begin):
            found[-1] = Part([*found[-1].at, begin], at, end is not None)
        else:
            found.append(Part([begin], at, end is not None))
    return found


class Members(NamedTuple):
    """Where the members of an object (by key) or the elements of an array (by None) begin."""

    at: list[tuple[str | None, int]]
    complete: bool  # none is missing at the end


def members(text: str, at: int) -> Members:
    """Of the object or array that opens at a position."""
    found: list[tuple[str | None, int]] = []
    is_object = text[at] == "{"
    at = _after_gap(text, at + 1)
    while at < len(text) and text[at] not in "}]":
        key = _KEY.match(text, at) if is_object else None
        if is_object and key is None:
            return Members(found, False)
        at = key.end() if key else at
        found.append((key[1] or key[2] or key[3] if key else None, at))
        end = _end(text, at)
        if end is None:
            return Members(found, False)
        at = _after_gap(text, end)
    return Members(found, at < len(text))


def _after_gap(text: str, at: int) -> int:
    gap = _GAP.match(text, at)
    return gap.end() if gap else at


def _end(text: str, at: int) -> int | None:
    """The end of a value that may be broken, if it can be found."""
    try:
        return whole(text, at)[1]
    except ValueError:
        return _closing(text, at)


def _closing(text: str, at: int) -> int | None:
    return closing(text, at) if is_container(text, at) else None


def is_container(text: str, at: int) -> bool:
    return text[at : at + 1] in ("{", "[")

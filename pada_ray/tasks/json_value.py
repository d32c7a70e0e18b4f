"""JSON values: the one in a reply, when two are equal, and their fields."""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from pada_ray.tasks.own_words import own_words

_FENCED = re.compile(r"^[ \t]*(?:```|~~~)[^\n]*\n(.*?)^[ \t]*(?:```|~~~)[ \t]*$", re.DOTALL | re.MULTILINE)
_BRACKET = re.compile(r"[{}\[\]]")
_DEEPEST = 100  # brackets within each other; what goes deeper is no reply, and would exhaust the stack
_OPENING = re.compile(r"[{\[]")
# An opening sign that begins JSON, or what should be it; `[1]` in a sentence is a note.
_BEGUN = re.compile(r"\{\s*[\"'{}]|\[\s*(?:[\"{\[\]]|-?\d[\d.eE+-]*\s*,)")
_LEFT_OVER = re.compile(r"[{}]")


def json_in(reply: str) -> Any:
    """The one JSON value of a reply: the whole reply, else what stands in its fences, else the one object or array in
    its text. Copies of one value count once.

    Raises:
        ValueError: there is none, or more than one, or it is not well formed; the message says which.
    """
    if _depth(reply) > _DEEPEST:
        raise ValueError("nested too deeply")
    with contextlib.suppress(ValueError):
        return strict(reply)  # a string in it may hold anything, such as `</think>`
    text = own_words(reply).strip()
    try:
        return strict(text)
    except ValueError as err:
        whole = err
    fenced = [block for block in _FENCED.findall(text) if block.strip()]
    try:
        found = [strict(block) for block in fenced] if fenced else list(_values(text))
    except ValueError as err:
        raise ValueError(f"not well-formed JSON ({err})") from err
    distinct = {canonical(value): value for value in found}
    if not distinct:
        raise ValueError("no JSON" if not _BEGUN.search(text) else f"not well-formed JSON ({whole})")
    if len(distinct) > 1:
        raise ValueError(f"{len(distinct)} different JSON values")
    return next(iter(distinct.values()))


def canonical(value: Any) -> str:
    """The value as JSON on one line with sorted keys. Equal numbers look the same."""
    return json.dumps(_whole(value), ensure_ascii=False, sort_keys=True)


def _whole(value: Any) -> Any:
    """The value with numbers such as 1.0 as 1."""
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def same(a: Any, b: Any, normalised: Callable[[str], str]) -> bool:
    """Whether two values are equal. Key order does not count; the order of an array does. 1 equals 1.0, but neither
    true nor "1"; strings are equal if they are so `normalised`."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key], normalised) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y, normalised) for x, y in zip(a, b, strict=True))
    if isinstance(a, str) and isinstance(b, str):
        return normalised(a) == normalised(b)
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def fields(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The (name, value) of each field that holds a text, a number, true, false, null or an empty container. A field in
    an object is named `outer.inner`; the entries of an array have one name, `outer[]`."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from fields(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and value:
        for inner in value:
            yield from fields(inner, f"{name}[]")
    else:
        yield name, value


def counted(value: Any, normalised: Callable[[str], str]) -> Counter[tuple[str, str]]:
    """How often each (name, value as compared) occurs among the fields of a value; an empty object has none."""
    shown = (
        (name, normalised(v) if isinstance(v, str) else canonical(v)) for name, v in fields(value) if v not in ({}, [])
    )
    return Counter(shown)


def _depth(text: str) -> int:
    """How many brackets are open at a time, at most; those within strings count too."""
    depth = deepest = 0
    for sign in _BRACKET.findall(text):
        depth += 1 if sign in "{[" else -1
        deepest = max(deepest, depth)
    return deepest


def strict(text: str) -> Any:
    """The JSON value that the text is, up to white space around it. Raises ValueError if it is none."""
    return _whole_characters(_decoder().decode(text.strip()))


def _whole_characters(value: Any) -> Any:
    try:
        canonical(value).encode()
    except UnicodeEncodeError as err:
        raise ValueError("a string has half of a character") from err
    return value


def _values(text: str) -> Iterator[Any]:
    """The objects and arrays in a text.

    Raises:
        ValueError: one is begun and not well formed, or a brace is left over.
    """
    position, rest = 0, []
    while opening := _OPENING.search(text, position):
        rest.append(text[position : opening.start()])
        if _BEGUN.match(text, opening.start()):
            value, position = _decoder().raw_decode(text, opening.start())
            yield _whole_characters(value)
        else:
            position = opening.end()
            rest.append(opening[0])
    if _LEFT_OVER.search("".join([*rest, text[position:]])):
        raise ValueError("a brace is left over")


def _decoder() -> json.JSONDecoder:
    return json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")

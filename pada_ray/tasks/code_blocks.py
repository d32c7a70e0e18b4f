"""The fenced code blocks of a Markdown text, as language models write them.

CommonMark closes a block at the first fence that is long enough. A docstring may hold fences too, so that here a block
ends at the first fence that leaves Python which parses; at the first of all only if none does.
"""

from __future__ import annotations

import ast
import bisect
import functools
import re
import warnings
from collections.abc import Sequence
from typing import NamedTuple

_LINE = re.compile(r"^[^\n]*\n", re.MULTILINE)
# Alone on its line, in a list, or behind words; then with nothing but the language behind it.
_OPENING = re.compile(r"(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>\w*)")
_LIST_ITEM = re.compile(r"[ \t]*(?:(?:[-*+]|\d{1,3}[.)])[ \t]+)?")
_MOST_ENDS = 20  # of a block to try; what comes before each is parsed


class Block(NamedTuple):
    language: str  # in lower case; "" if none is given
    code: str  # without the indentation of its fence


class _End(NamedTuple):
    """A place where a block may end."""

    start: int
    end: int
    kind: str | None  # a fence `alone` on its line, one `behind` code, or one `labelled`, which opens another block


def blocks(text: str) -> list[Block]:
    """The fenced blocks in order. The last may lack its closing fence."""
    found, start = [], 0
    ends = functools.cache(functools.partial(_ends, text))
    while line := _LINE.search(text, start):
        start = line.end()
        opening = _opening(line[0])
        if opening is None:
            continue
        before, rest = line[0][: opening.start()], line[0][opening.end() :]
        margin = len(before) if _LIST_ITEM.fullmatch(before) else 0
        if before.strip() and not margin and rest.strip():  # words about a fence
            continue
        code, start = _enclosed(text, start, ends(opening["fence"]), margin)
        found.append(Block(opening["language"].lower(), code))
    return found


def _opening(line: str) -> re.Match[str] | None:
    """The fence that opens a block, behind which stands no backtick."""
    last = line.rfind("`")
    return _OPENING.search(line, len(line[: last + 1].rstrip("`")))


def _ends(text: str, fence: str) -> list[_End]:
    """Where blocks that this fence opens may end, in order."""
    sign = re.escape(fence[0])
    mark = rf"{sign}{{{len(fence)},}}"
    ending = re.compile(
        rf"^[ \t]*(?P<alone>{mark})(?![\w{sign}])|^[ \t]*(?P<labelled>{mark})(?=\w)"
        rf"|(?<=[^\s#{sign}])(?P<behind>{mark})[ \t]*$",
        re.MULTILINE,
    )
    return [_End(*found.span(), found.lastgroup) for found in ending.finditer(text)]


def _enclosed(text: str, start: int, ends: Sequence[_End], margin: int) -> tuple[str, int]:
    """The code from `start` to where the block ends, and where to look for the next one."""
    first = bisect.bisect_left(ends, start, key=lambda end: end.start)
    near = ends[first : first + _MOST_ENDS]
    alone = [end for end in near if end.kind == "alone"]
    for closing in alone or [end for end in near if end.kind == "behind"]:
        code = _outdent(text[start : closing.start], margin)
        if syntax_error(code) is None or syntax_error(f"if True:\n{code}") is None:  # the body of a function alone
            return code, closing.end
    closing = next((end for end in near if end.kind != "behind"), _End(len(text), len(text), None))
    return _outdent(text[start : closing.start], margin), closing.start if closing.kind == "labelled" else closing.end


def _outdent(code: str, width: int) -> str:
    """Removes up to `width` spaces or tabs before each line."""
    return re.sub(rf"^[ \t]{{1,{width}}}", "", code, flags=re.MULTILINE) if width else code


def syntax_error(code: str) -> Exception | None:
    """Why Python cannot parse the code; None if it can."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a user need not see warnings about escapes in a sample
        try:
            ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return error
    return None

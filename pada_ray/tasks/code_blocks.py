"""The fenced code blocks of a Markdown text, as language models write them.

CommonMark closes a block at the first fence that is long enough. A docstring may hold fences too, so that here a block
ends at the first fence that leaves Python which parses; at the first of all only if none does.
"""

from __future__ import annotations

import ast
import re
import warnings
from typing import NamedTuple

# Alone on its line, in a list, or behind words; then with nothing but the language behind it.
_OPENING = re.compile(
    r"^(?P<before>[^\n]*?)(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>\w*)(?P<rest>[^\n`]*)\n", re.MULTILINE
)
_LIST_ITEM = re.compile(r"[ \t]*(?:(?:[-*+]|\d{1,3}[.)])[ \t]+)?")
_MOST_CLOSINGS = 20  # to try; each is parsed


class Block(NamedTuple):
    language: str  # in lower case; "" if none is given
    code: str  # without the indentation of its fence


def blocks(text: str) -> list[Block]:
    """The fenced blocks in order. The last may lack its closing fence."""
    found, start = [], 0
    while opening := _OPENING.search(text, start):
        before = opening["before"]
        margin = len(before) if _LIST_ITEM.fullmatch(before) else 0
        if before.strip() and not margin and opening["rest"].strip():  # words about a fence
            start = opening.end()
            continue
        code, start = _enclosed(text, opening.end(), opening["fence"], margin)
        found.append(Block(opening["language"].lower(), code))
    return found


def _enclosed(text: str, start: int, fence: str, margin: int) -> tuple[str, int]:
    """The code from `start` to where the block ends, and where to look for the next one."""
    mark = rf"{re.escape(fence[0])}{{{len(fence)},}}"
    alone = list(re.compile(rf"^[ \t]*{mark}(?![\w{re.escape(fence[0])}])", re.MULTILINE).finditer(text, start))
    behind_code = re.compile(rf"(?<=[^\s#]){mark}[ \t]*$", re.MULTILINE).finditer(text, start)
    for closing in [*alone[:_MOST_CLOSINGS], *([] if alone else behind_code)]:
        code = _outdent(text[start : closing.start()], margin)
        if syntax_error(code) is None or syntax_error(f"if True:\n{code}") is None:  # the body of a function alone
            return code, closing.end()
    labelled = re.compile(rf"^[ \t]*{mark}\w", re.MULTILINE).search(text, start)
    ends = [(c.start(), c.end()) for c in alone[:1]] + ([(labelled.start(), labelled.start())] if labelled else [])
    end, after = min(ends, default=(len(text), len(text)))
    return _outdent(text[start:end], margin), after


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

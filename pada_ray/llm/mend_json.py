r"""Mends the JSON that models write, where what they meant is certain.

Two things go wrong most. LaTeX and regular expressions stand in strings with single backslashes, and then `\boxed` is
read as a backspace and `oxed`. And there are trailing commas, comments, single quotes, Python's literals.
"""

from __future__ import annotations

import json
import re
from typing import Any

import json_repair

# Commands of LaTeX whose backslash and first letter are also JSON's escape of a tab or a line break. The rest of each
# is no word that a line of text or code would begin with.
_COMMANDS = """
    tag tau tbinom textbf textit textrm textsf texttt text textstyle textnormal textcolor textsc tfrac therefore theta
    thickapprox thicksim thinspace tilde times tanh triangle triangleleft triangleright triangledown trianglelefteq
    trianglerighteq triangleq twoheadrightarrow
    nabla natural ncong nearrow neq newcommand newline ngeq ngtr nleftarrow nleq nolimits nonumber notin nrightarrow
    nsubseteq nsupseteq nwarrow
"""
# The same, but a line of text or code may well begin with the rest: `e`, `u`, `i`, `o`, `an`, `mid`, `parallel`.
_AMBIGUOUS = "ne neg nexists ni nless nmid norm not nparallel nsim nu tan to top tt"

_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|[\s\S]|\Z)")
_LETTERS = re.compile(r"[A-Za-z]+")


def double_backslashes(text: str) -> str:
    r"""The JSON text with `\\` for each backslash that was meant as one and would be read as an escape, or as an error.

    `\b` and `\f` never mean a backspace or a form feed in a text. `\r` before a letter means no line break. `\t` and
    `\n` are LaTeX if they begin a command of it; where a line may also begin so, only in a formula or behind a space.
    `\\` is LaTeX's line break if no backslash of the text is doubled before a letter and some should have been.
    """
    escapes = list(_ESCAPE.finditer(text))
    is_raw = any(_is_meant_as_backslash(e, text) for e in escapes) and not any(
        e[1] == "\\" and text[e.end() : e.end() + 1].isalpha() for e in escapes
    )
    return _ESCAPE.sub(lambda e: "\\\\\\\\" if is_raw and e[1] == "\\" else _as_meant(e, text), text)


def _as_meant(escape: re.Match[str], text: str) -> str:
    if escape[1] in ("'", "\n", ""):  # as in Python; a line that goes on; the end of a reply that was cut off
        return escape[1]
    return "\\" + escape[0] if _is_meant_as_backslash(escape, text) else escape[0]


def _is_meant_as_backslash(escape: re.Match[str], text: str) -> bool:
    escaped = escape[1]
    if escaped in ('"', "\\", "/", "'", "\n", "") or len(escaped) == 5:
        return False
    if escaped not in ("n", "t", "r"):
        return True
    letters = _LETTERS.match(text, escape.start(1))
    command = letters[0] if letters else ""
    if escaped == "r":
        return len(command) > 1
    begin = escape.start()
    may_be = command in _AMBIGUOUS.split() and (text[begin - 1 : begin] == " " or _in_formula(text, begin))
    return may_be or command in _COMMANDS.split()


def _in_formula(text: str, position: int) -> bool:
    r"""Whether an odd number of dollar signs, or an open `\(` or `\[`, stands before a position of a JSON string."""
    string = text[text.rfind('"', 0, position) + 1 : position]
    opened = max(string.rfind("\\("), string.rfind("\\["))
    closed = max(string.rfind("\\)"), string.rfind("\\]"))
    return string.replace("\\$", "").count("$") % 2 == 1 or opened > closed


_STRING = r'"(?:[^"\\]|\\[\s\S])*"' + r"|'(?:[^'\\]|\\[\s\S])*'"
_COMMENT = r"//[^\n]*|/\*[\s\S]*?(?:\*/|\Z)"
_TOKEN = re.compile(rf"(?P<string>{_STRING})|(?P<comment>{_COMMENT})|[{{}}\[\]]")


def closing(text: str, at: int) -> int | None:
    """The end of the object or array that opens at `at`; None if it is not closed."""
    depth = 0
    for token in _TOKEN.finditer(text, at):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token[0], 0)
        if depth == 0:
            return token.end()
    return None


def mended(text: str) -> Any:
    """The value of a closed object or array that is not quite JSON. Raises ValueError unless it holds all that the
    text holds, and nothing else: only commas, comments, the kind of quotes and the names of literals may differ."""
    bare = _TOKEN.sub(lambda token: "" if token["comment"] else token[0], text)
    try:
        value = json_repair.loads(bare, skip_json_loads=True, strict=True)
    except Exception as e:  # whatever a text does to it
        raise ValueError("it cannot be mended") from e
    if _without_commas(json.dumps(value, ensure_ascii=False)) != _without_commas(bare):
        raise ValueError("it is no valid JSON")
    return value


def _without_commas(text: str) -> str:
    text = re.sub(r"\\[ntr\"']|[\s,]", "", text).replace("'", '"')
    return re.sub(r"\b(True|False|None)\b", lambda literal: _LITERALS[literal[0]], text)


_LITERALS = {"True": "true", "False": "false", "None": "null"}

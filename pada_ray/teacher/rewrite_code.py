"""Renames parameters and local variables in Python code, and breaks code on purpose."""

from __future__ import annotations

import ast
import builtins
import io
import keyword
import random
import re
import tokenize
from collections.abc import Iterator, Mapping

_FENCED = re.compile(r"(```[ \t]*\w*[^\n]*\n)(.*?)(```)", re.DOTALL)
_ENDINGS = ("_in", "_given", "_value", "_data", "_arg", "_item", "_here", "_x", "_part", "_now")

# Exchanging these operators changes what nearly every function returns.
_SWAPS = {"<": ">", ">": "<", "<=": ">", ">=": "<", "==": "!=", "!=": "==", "+": "-", "-": "+", "+=": "-="}


def rename_variables(question: str, reply: str, tests: str, rng: random.Random) -> tuple[str, str]:
    """Question and reply with some variables renamed in their fenced code; unchanged if none can be.

    Function names stay, because tests call them. So does every name that occurs as a keyword argument, an
    attribute, a global, or inside an f-string, where renaming might change what the code does.
    """
    names = renamable("\n".join(code for _, code, _ in _FENCED.findall(reply)), tests)
    if not names:
        return question, reply
    # If possible one that the question shows too, so that the question changes.
    asked = {token.string for _, code, _ in _FENCED.findall(question) for token in _tokens(code)}
    chosen = {rng.choice([name for name in names if name in asked] or names)}
    chosen.update(rng.sample(names, rng.randrange(len(names))))
    mapping = {name: name + rng.choice(_ENDINGS) for name in sorted(chosen)}

    def renamed(match: re.Match[str]) -> str:
        return match[1] + _rename(match[2], mapping) + match[3]

    new_question, new_reply = _FENCED.sub(renamed, question), _FENCED.sub(renamed, reply)
    return (new_question, new_reply) if _parses(new_reply) else (question, reply)


def renamable(code: str, tests: str) -> list[str]:
    """Names of parameters and local variables that can be renamed without changing what the code does."""
    try:
        tree = ast.parse(code)
        test_tree = ast.parse(tests)
    except (SyntaxError, ValueError):
        return []
    local: set[str] = set()
    unsafe: set[str] = set(dir(builtins)) | set(keyword.kwlist)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)):
            local.add(node.arg if isinstance(node, ast.arg) else node.id)
        unsafe |= set(_names_to_keep(node))
    unsafe |= {name for statement in tree.body for name in _bound_at_top(statement)}
    unsafe |= {name for node in ast.walk(test_tree) for name in _names_to_keep(node)}
    return sorted(local - unsafe)


def break_code(reply: str, rng: random.Random) -> str:
    """The reply with one operator of its code exchanged, or a return value removed: nearly always wrong."""
    blocks = list(_FENCED.finditer(reply))
    if not blocks:
        return reply
    code = blocks[-1][2]
    places = [t for t in _tokens(code) if t.type == tokenize.OP and t.string in _SWAPS and _in_body(t)]
    if places:
        token = rng.choice(places)
        lines = code.splitlines(keepends=True)
        line, (row, start), end = lines[token.start[0] - 1], token.start, token.end[1]
        lines[row - 1] = line[:start] + _SWAPS[token.string] + line[end:]
        code = "".join(lines)
    else:
        code = re.sub(r"(?m)^([ \t]+)return\b.*(?:\n(?=\1[ \t]).*)*\s*\Z", r"\1return None\n", code)
    return reply[: blocks[-1].start(2)] + code + reply[blocks[-1].end(2) :]


def normal_form(code: str) -> str | None:
    """The code's syntax tree with parameters and local variables numbered, so that renaming leaves it equal;
    None if it does not parse."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):
        return None
    numbers: dict[str, str] = {}
    local = set(renamable(code, ""))
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.arg in local:
            node.arg = numbers.setdefault(node.arg, f"v{len(numbers)}")
        elif isinstance(node, ast.Name) and node.id in local:
            node.id = numbers.setdefault(node.id, f"v{len(numbers)}")
    return ast.dump(tree)


def _names_to_keep(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.keyword) and node.arg:
        yield node.arg
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from ((alias.asname or alias.name).split(".")[0] for alias in node.names)
    elif isinstance(node, ast.Global | ast.Nonlocal):
        yield from node.names
    elif isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name
    elif isinstance(node, ast.JoinedStr):
        yield from (inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name))


def _bound_at_top(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return
    yield from (node.id for node in ast.walk(statement) if isinstance(node, ast.Name))


def _rename(code: str, mapping: Mapping[str, str]) -> str:
    lines = code.splitlines(keepends=True)
    for token in reversed(_tokens(code)):
        if token.type == tokenize.NAME and token.string in mapping:
            row, start, end = token.start[0] - 1, token.start[1], token.end[1]
            lines[row] = lines[row][:start] + mapping[token.string] + lines[row][end:]
    return "".join(lines)


def _tokens(code: str) -> list[tokenize.TokenInfo]:
    """As many tokens as can be read: a prompt's code may end in the middle."""
    tokens: list[tokenize.TokenInfo] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            tokens.append(token)
    except (tokenize.TokenError, IndentationError):
        pass
    return tokens


def _in_body(token: tokenize.TokenInfo) -> bool:
    return token.line.startswith((" ", "\t"))


def _parses(reply: str) -> bool:
    try:
        ast.parse("\n".join(code for _, code, _ in _FENCED.findall(reply)))
    except (SyntaxError, ValueError):
        return False
    return True

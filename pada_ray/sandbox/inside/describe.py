"""One line about an error in source text that was run."""

from __future__ import annotations


def describe(error: BaseException, source: str, file: str) -> str:
    """The error and its line of `source`, if code compiled as `file` is in the traceback."""
    if isinstance(error, SystemExit):
        return "the program exited before its end"
    try:
        said = " ".join(str(error).split())[:300]
    except BaseException:  # the program may define its own errors
        said = ""
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    lines = source.splitlines()
    return f"{text} in line {line}: {lines[line - 1].strip()[:200]}" if 0 < line <= len(lines) else text

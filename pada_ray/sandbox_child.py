"""The part of the sandbox that runs inside the separate process; `pada_ray.sandbox` starts it.

Standard input holds one JSON object: `program`, `token`, `verdict_fd` and `limits` (a list of
`[RLIMIT name, value]`). One line goes back through `verdict_fd`: the token if the program reached its
end, else why it did not. It imports nothing of this package, because it runs with `python -I`.
"""

import contextlib
import json
import os
import resource
import sys
import types


def describe(error: BaseException, program: str) -> str:
    """One line: the error, and the program's own line in which it arose."""
    if isinstance(error, SystemExit):
        return "the program exited before its end"
    try:
        said = " ".join(str(error).split())[:300]
    except BaseException:  # the program may define its own errors
        said = ""
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<program>":
            line = trace.tb_lineno
        trace = trace.tb_next
    lines = program.splitlines()
    return f"{text} in line {line}: {lines[line - 1].strip()[:200]}" if 0 < line <= len(lines) else text


def main() -> None:
    request = json.load(sys.stdin)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    for name, value in request["limits"]:
        resource.setrlimit(getattr(resource, name), (value, value))
    # The program may replace anything in `os` and `sys`.
    write, leave, verdict_fd = os.write, os._exit, request["verdict_fd"]
    # A module of its own: `dataclass` and `pickle` look one up. As in the HumanEval harness its name is
    # not __main__, so that demonstrations under `if __name__ == "__main__"` stay out.
    module = types.ModuleType("program")
    sys.modules["program"] = module
    try:
        exec(compile(request["program"], "<program>", "exec"), module.__dict__)
    except BaseException as error:
        verdict = "-" + describe(error, request["program"])
    else:
        verdict = "+" + request["token"]
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):  # the program may have closed or replaced it
            stream.flush()
    write(verdict_fd, (verdict + "\n").encode(errors="replace"))
    # Threads and exit handlers of the program are not waited for.
    leave(0)


if __name__ == "__main__":
    main()

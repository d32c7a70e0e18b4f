"""The first process in a sandbox: locks it, starts the program's process, and runs the tests.

Standard input holds two `marshal` dumps: the settings, then a tuple of a token, the program and its tests. The second
is read after the program's process has started, so its memory holds nothing of them. One line of JSON goes back
through the file descriptor `verdict`: the token, whether the tests reached their end, and why not. The token shows
that the line comes from here. Then the process waits to be killed.
"""

from __future__ import annotations

import io
import marshal
import os
import resource
import signal
import sys
import time

from .program import Program
from .root import enter_root
from .seccomp import filter_calls
from .system import adopt_orphans, drop_powers, hide
from .tests import Tests
from .values import quoted

TYPE_CHECKING = False  # as in `typing`, whose import would take a third of the start time
if TYPE_CHECKING:
    from typing import NoReturn

    from .settings import Settings

_MAX_REASON = 1000  # characters
_MOST_OPEN = 2**16  # above the number of any file that a parent may have left open


def main() -> None:
    request = io.FileIO(0)  # unbuffered, so that the second dump stays unread
    settings: Settings = marshal.load(request)
    sys.path += settings["packages"]
    if settings["root"] is not None:
        enter_root(**settings["root"])
    os.chdir(settings["folder"])
    drop_powers(settings["user"])
    filter_calls()
    for name, value in settings["limits"]:
        resource.setrlimit(getattr(resource, name), (value, value))
    adopt_orphans()

    hear_program, tell_tests = os.pipe()
    hear_tests, tell_program = os.pipe()
    if os.fork() == 0:
        os.close(settings["verdict"])
        _keep_only(hear_tests, tell_tests)
        Program().serve(hear_tests, tell_tests)
    hide()
    # The program may send this signal, which Python turns into an exception in the midst of a test.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.close(hear_tests)
    os.close(tell_tests)
    token, program, tests = marshal.load(request)

    def say(passed: bool, reason: str) -> NoReturn:
        line = f"[{quoted(token)}, {'true' if passed else 'false'}, {quoted(reason[:_MAX_REASON])}]\n"
        os.write(settings["verdict"], line.encode())
        # Orphans stay below this process, so that they are found and killed from outside.
        while True:
            time.sleep(60)

    Tests(hear_program, tell_program, say).run(program, tests)


def _keep_only(*kept: int) -> None:
    """Closes all descriptors but `kept` and output, and empties the input."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    ends = sorted(kept)
    for first, last in zip([2, *ends], [*ends, _MOST_OPEN], strict=True):
        os.closerange(first + 1, last)

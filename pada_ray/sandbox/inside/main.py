"""The first process in a sandbox: locks it, starts the program's process, and runs the tests.

Standard input holds two `marshal` dumps: the settings, then a tuple of the program and its tests. The second
is read after the program's process has started, so its memory holds nothing of the tests. One line goes back
through the file descriptor `verdict`: "+", or "-" and why the tests did not reach their end. Then the process
waits to be killed.
"""

from __future__ import annotations

import io
import marshal
import os
import resource
import sys
import time
from contextlib import suppress

from .program import Program
from .root import enter_root
from .system import adopt_orphans, drop_powers, hide
from .tests import Tests

TYPE_CHECKING = False  # as in `typing`, whose import would take a third of the start time
if TYPE_CHECKING:
    from typing import NoReturn

    from .settings import Settings


def main() -> None:
    request = io.FileIO(0)  # unbuffered, so that the second dump stays unread
    settings: Settings = marshal.load(request)
    sys.path += settings["packages"]
    if settings["root"] is not None:
        enter_root(**settings["root"])
    os.chdir(settings["folder"])
    drop_powers(settings["user"])
    for name, value in settings["limits"]:
        resource.setrlimit(getattr(resource, name), (value, value))
    adopt_orphans()

    hear_program, tell_tests = os.pipe()
    hear_tests, tell_program = os.pipe()
    if os.fork() == 0:
        _keep_only(hear_tests, tell_tests)
        Program().serve(hear_tests, tell_tests)
    hide()
    os.close(hear_tests)
    os.close(tell_tests)
    program, tests = marshal.load(request)

    def say(verdict: str) -> NoReturn:
        os.write(settings["verdict"], (verdict + "\n").encode(errors="replace"))
        # Orphans stay below this process, so that they are found and killed from outside.
        while True:
            time.sleep(60)

    Tests(hear_program, tell_program, say).run(program, tests)


def _keep_only(*kept: int) -> None:
    """Closes all descriptors but `kept` and output, and empties the input."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for fd in range(3, os.sysconf("SC_OPEN_MAX")):
        if fd not in kept:
            with suppress(OSError):
                os.close(fd)

"""The first process in a sandbox: closes it behind itself, starts the program's process, and runs the tests.

Standard input holds two `marshal` dumps: the settings, and a tuple of the program and its tests, which is
read only when the program's process is there, so that nothing of the tests is in its memory. One line goes
back through the file descriptor `verdict`: "+", or "-" and why the tests did not reach their end. Then it
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

TYPE_CHECKING = False  # as in `typing`, which takes a third of the time that a sandbox takes to start
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
        # Orphans stay below this process, where they are found, until all are killed from outside.
        while True:
            time.sleep(60)

    Tests(hear_program, tell_program, say).run(program, tests)


def _keep_only(*kept: int) -> None:
    """Closes what the program must not reach, and leaves it output and an empty input."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for fd in range(3, os.sysconf("SC_OPEN_MAX")):
        if fd not in kept:
            with suppress(OSError):
                os.close(fd)

"""The tests' process: runs the tests against the program and reports the verdict."""

from __future__ import annotations

import builtins
import sys
import types
from contextlib import suppress

from .describe import describe
from .peer import OPERATIONS, SAID, Peer

TYPE_CHECKING = False  # as in `typing`, whose import would take a third of the start time
if TYPE_CHECKING:
    from collections.abc import Callable


class Tests:
    """The tests and the connection to the program.

    Args:
        say: reports the verdict, "+" or "-" and the reason, and does not return.
    """

    def __init__(self, read_fd: int, write_fd: int, say: Callable[[str], None]):
        self._say = say
        self._peer = Peer(
            read_fd,
            write_fd,
            {name: self._of_own(name) for name in OPERATIONS},
            lambda error: describe(error, "", "<tests>"),
            lambda: say("-the process ended before the program did"),
        )

    def run(self, program: str, tests: str) -> None:
        """Loads the program, runs the tests, and reports the verdict. Does not return."""
        try:
            module = types.ModuleType("tests")
            sys.modules["tests"] = module
            loaded = self._peer.ask("load", program)
            code = compile(tests, "<tests>", "exec", dont_inherit=True)
            # A program's own `len` does not replace the one that the tests use.
            names = sorted(name for name in _names(code) if not hasattr(builtins, name))
            module.__dict__.update(self._peer.ask("names", names) if names else {})
            module.__dict__["program"] = loaded
            exec(code, module.__dict__)
        except BaseException as error:
            verdict = "-" + (getattr(error, SAID, "") or describe(error, tests, "<tests>"))
        else:
            verdict = "+"
        with suppress(BaseException):
            sys.stdout.flush()
        self._say(verdict)

    def _of_own(self, operation: str) -> Callable[..., object]:
        """The operation, allowed only on objects that a test gave to the program, without private attributes."""

        def operate(target: object, *args: object, **kwargs: object) -> object:
            private = operation in ("get", "set") and str(args[0]).startswith("_")
            if private or not self._peer.values.is_own(target):
                raise TypeError("the program may not ask this of the tests")
            return OPERATIONS[operation](target, *args, **kwargs)

        return operate


def _names(code: types.CodeType) -> set[str]:
    """The names that the code and the functions in it use."""
    inner = [_names(constant) for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*inner)

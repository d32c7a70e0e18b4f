"""The tests' process: runs the tests against the program and comes to a verdict."""

from __future__ import annotations

import builtins
import io
import sys
import types
from contextlib import suppress

from .describe import describe
from .peer import OPERATIONS, SAID, Peer

TYPE_CHECKING = False  # as in `typing`, whose import would take a third of the start time
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

_NAME = "tests"  # of the module that the tests are
_STREAMS = (io.StringIO, io.BytesIO)


class Tests:
    """The tests and the connection to the program.

    Args:
        say: reports the verdict, whether the tests passed and the reason if not, and does not return.
    """

    def __init__(self, read_fd: int, write_fd: int, say: Callable[[bool, str], NoReturn]):
        self._say = say
        self._peer = Peer(
            read_fd,
            write_fd,
            {name: self._of_own(name) for name in OPERATIONS},
            lambda error: describe(error, "", "<tests>"),
            lambda: say(False, "the process ended before the program did"),
        )

    def run(self, program: str, tests: str) -> None:
        """Loads the program, runs the tests, and reports the verdict. Does not return."""
        try:
            module = sys.modules[_NAME] = types.ModuleType(_NAME)
            loaded = self._peer.ask("load", program)
            code = compile(tests, "<tests>", "exec", dont_inherit=True)
            module.__dict__.update(self._names(code))
            module.__dict__["program"] = loaded
            exec(code, module.__dict__)
        except BaseException as error:
            passed, reason = False, getattr(error, SAID, "") or describe(error, tests, "<tests>")
        else:
            passed, reason = True, ""
        with suppress(BaseException):
            sys.stdout.flush()
        self._say(passed, reason)

    def _names(self, code: types.CodeType) -> dict[str, object]:
        """What the program has by the names that the tests use. Its own `len` does not replace the tests', and a name
        that nobody asked for does not count: `__builtins__` would replace them all."""
        wanted = tuple(name for name in _names(code) if not (hasattr(builtins, name) or name.startswith("__")))
        found = self._peer.ask("names", wanted) if wanted else {}
        return {name: found[name] for name in wanted if name in found}

    def _of_own(self, operation: str) -> Callable[..., object]:
        """The operation, allowed only on objects that a test gave to the program."""

        def operate(target: object, *args: Any, **kwargs: Any) -> object:
            if not self._peer.values.is_own(target) or not _may(operation, target, *args[:1]):
                raise TypeError("the program may not ask this of the tests")
            return OPERATIONS[operation](target, *args, **kwargs)

        return operate


def _may(operation: str, target: object, name: object = "") -> bool:
    """Whether the program may do this with an object that it was given.

    It may get and set public attributes of instances of the tests' own classes, and get what their classes define,
    and a stream's methods. So frames, code, generators, modules, and the attributes of functions are out of reach, and
    no method can be replaced. It may call what it was given, but no builtin function: `getattr` and its like reach
    everything, and those that only compute are passed by name.
    """
    kind = type(target)
    if operation == "call":
        return not (kind is types.BuiltinFunctionType and getattr(target, "__self__", None) is builtins)
    if operation not in ("get", "set"):
        return True
    if not isinstance(name, str) or name.startswith("_"):
        return False
    if operation == "set":
        return kind.__module__ == _NAME and not callable(getattr(kind, name, None))
    if isinstance(target, type):
        return target.__module__ == _NAME and name in vars(target)
    return kind.__module__ == _NAME or kind in _STREAMS


def _names(code: types.CodeType) -> set[str]:
    """The names that the code and the functions in it use."""
    inner = [_names(constant) for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*inner)

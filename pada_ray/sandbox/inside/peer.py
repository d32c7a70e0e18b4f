"""Calls between the two processes, in both directions, one at a time."""

from __future__ import annotations

import io
import operator
import os
import sys
from _thread import allocate_lock
from codecs import getincrementaldecoder
from contextlib import suppress

from .proxy import Proxy
from .values import MAX_MESSAGE, Values

TYPE_CHECKING = False  # as in `typing`, whose import would take a third of the start time
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

# What may be done with an object of the other side.
OPERATIONS: dict[str, Callable[..., object]] = {
    "call": lambda called, *args, **kwargs: called(*args, **kwargs),
    "get": getattr,
    "set": setattr,
    "item": operator.getitem,
    "iter": iter,
    "next": next,
    "len": len,
    "bool": bool,
    "str": str,
    "repr": repr,
}
_SIZE = 8  # bytes before a message that say how many it has
SAID = "_said_in_the_other_process"  # the attribute of an error with the other side's line about it


class Peer:
    """The other process. Requests go through one pipe and replies come through another.

    If a call changes a list, dict, set or bytearray that is its argument, the change is made here too. An error
    comes back as an error of the same kind, but StopIteration only from "next": from a call it would end a loop of
    the caller's, as if there were nothing more to test.

    Args:
        operations: what the other side may ask for, by name.
        describe: one line about an error raised here.
        lost: called when the other side has ended or sent an invalid message; it must not return.
    """

    def __init__(
        self,
        read_fd: int,
        write_fd: int,
        operations: dict[str, Callable[..., object]],
        describe: Callable[[BaseException], str],
        lost: Callable[[], None],
    ):
        self._pipe = io.BufferedReader(io.FileIO(read_fd))
        self._write_fd = write_fd
        self._operations = operations
        self._describe = describe
        self._lost = lost
        self._printed = getincrementaldecoder("utf-8")("replace")
        self._sending = allocate_lock()  # the program may print from several threads
        self.values = Values({"object": lambda number: Proxy(self.ask), "coroutine": self._coroutine})

    def ask(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        """Asks the other side for an operation, and answers its requests until the result arrives."""
        self._send(self.values.write(("ask", operation, args, kwargs)))
        while True:
            match self._receive():
                case ("ask", asked, tuple() as given, dict() as named):
                    self._answer(asked, given, named)
                case ("print", bytes() as printed):
                    sys.stdout.write(self._printed.decode(printed))
                case ("value", value, changes):
                    _change(_changeable(args, kwargs), changes)
                    return value
                case ("error", BaseException() as error, str() as said):
                    if operation != "next" and isinstance(error, StopIteration | StopAsyncIteration):
                        error = RuntimeError(said)
                    with suppress(Exception):
                        setattr(error, SAID, said)
                    raise error
                case _:
                    self._lost()

    def serve(self) -> None:
        """Answers requests until the other side has ended."""
        while True:
            _, operation, args, kwargs = self._receive()
            self._answer(operation, args, kwargs)

    def print(self, printed: bytes) -> None:
        """Makes the other side print UTF-8 text."""
        self._send(self.values.write(("print", printed)))

    def _answer(self, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        try:
            given = _changeable(args, kwargs)
            before = self.values.write(given)
            value = self._operations[operation](*args, **kwargs)
            reply = self.values.write(("value", value, given if self.values.write(given) != before else None))
        except BaseException as error:
            said = self._describe(error)
            try:
                reply = self.values.write(("error", error, said))
            except BaseException:  # the program may define its own errors
                reply = self.values.write(("error", RuntimeError(said), said))
        with suppress(BaseException):  # the program may have closed or replaced it
            sys.stdout.flush()
        self._send(reply)

    def _coroutine(self, number: int) -> Coroutine[Any, Any, Any]:
        async def awaited() -> Any:
            return self.ask("await", number)

        return awaited()

    def _send(self, data: bytes) -> None:
        rest = memoryview(len(data).to_bytes(_SIZE, "big") + data)
        with self._sending:
            try:
                while rest:
                    rest = rest[os.write(self._write_fd, rest) :]
            except OSError:
                self._lost()

    def _receive(self) -> Any:
        try:
            size = int.from_bytes(self._pipe.read(_SIZE), "big")
            if size > MAX_MESSAGE:
                raise ValueError(f"a message of {size} bytes")
            return self.values.read(self._pipe.read(size))
        except BaseException:
            self._lost()


def _changeable(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    return [value for value in (*args, *kwargs.values()) if type(value) in (list, dict, set, bytearray)]


def _change(values: list[Any], changes: Any) -> None:
    for value, new in zip(values, changes or (), strict=False):  # the other side may have sent anything
        if type(value) is type(new):
            value.clear()
            (value.extend if isinstance(value, list | bytearray) else value.update)(new)

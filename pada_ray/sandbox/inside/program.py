"""The program's process: loads the source text and answers the requests of the tests."""

from __future__ import annotations

import io
import os
import sys
import types

from .describe import describe
from .peer import OPERATIONS, Peer

TYPE_CHECKING = False  # as in `typing`, whose import would take a third of the start time
if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_AT_A_TIME = 1024  # bytes: a message that the system writes whole, even if several processes print


class _Printed(io.RawIOBase):
    """Sends what the program prints to the tests, which may read it."""

    def __init__(self, peer: Peer):
        self._peer = peer

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        printed = bytes(data)[:_AT_A_TIME]
        self._peer.print(printed)
        return len(printed)


class Program:
    """A program and its names."""

    def __init__(self) -> None:
        # Its own module, because `dataclass` and `pickle` look one up. As in the HumanEval harness its name is
        # not __main__, so that code under `if __name__ == "__main__"` does not run.
        self._module = sys.modules["program"] = types.ModuleType("program")
        self._source = ""

    def serve(self, read_fd: int, write_fd: int) -> None:
        """Answers until the tests have ended. Does not return."""
        operations = {**OPERATIONS, "load": self._load, "names": self._names}
        peer = Peer(
            read_fd, write_fd, operations, lambda e: describe(e, self._source, "<program>"), lambda: os._exit(0)
        )

        def await_(number: int) -> object:
            import asyncio

            return asyncio.run(peer.values.own(number))

        operations["await"] = await_
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(_Printed(peer), _AT_A_TIME), "utf-8", "backslashreplace")
        peer.serve()

    def _load(self, source: str) -> types.ModuleType:
        self._source = source
        exec(compile(source, "<program>", "exec", dont_inherit=True), self._module.__dict__)
        return self._module

    def _names(self, names: tuple[str, ...]) -> dict[str, object]:
        return {name: self._module.__dict__[name] for name in names if name in self._module.__dict__}

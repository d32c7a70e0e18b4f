"""What a command tells while it works: it must not end the work."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, TextIO, cast


def unfailing(stream: TextIO) -> TextIO:
    """The stream, but what cannot be written to it is dropped: its disk may be full, or its reader gone."""
    return cast(TextIO, _Unfailing(stream))


class _Unfailing:
    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

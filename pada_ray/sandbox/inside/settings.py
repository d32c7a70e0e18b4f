"""What a sandbox is told before it starts."""

from __future__ import annotations

from typing import Any, TypedDict


class Settings(TypedDict):
    verdict: int
    """The file descriptor."""
    limits: list[tuple[str, int]]
    """By the names of module `resource`."""
    packages: list[str]
    """Folders of installed packages."""
    user: int | None
    """The user to become, if any."""
    root: dict[str, Any] | None
    """Arguments of `enter_root`, if that is still to be done."""
    folder: str
    """Where the program works, empty."""

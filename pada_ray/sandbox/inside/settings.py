"""The settings of a sandbox."""

from __future__ import annotations

from typing import Any, TypedDict


class Settings(TypedDict):
    verdict: int
    """A file descriptor."""
    limits: list[tuple[str, int]]
    """Names in module `resource`, and values."""
    packages: list[str]
    """Folders of installed packages."""
    user: int | None
    """The user to become, if any."""
    root: dict[str, Any] | None
    """Arguments of `enter_root`, or None if it need not be called."""
    folder: str
    """The program's working folder, empty."""

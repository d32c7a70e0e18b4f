"""Refuses what is no file before it is opened: a FIFO would be waited for, and a device has no end."""

from __future__ import annotations

import os
import stat

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO (a pipe)",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def what_instead(path: str) -> str | None:
    """What is at a local path that is no file, such as `a FIFO`; None for a file, nothing, or another store's URL."""
    protocol, _, rest = path.rpartition("://")
    if protocol not in ("", "file", "local") or "\0" in path:
        return None
    try:
        return _KINDS.get(stat.S_IFMT(os.stat(os.path.expanduser(rest)).st_mode))
    except OSError:
        return None

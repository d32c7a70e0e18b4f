"""Calls to the C library, and how a process drops its privileges."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

_library = ctypes.CDLL(None, use_errno=True)
_SET_DUMPABLE, _CAPBSET_DROP, _SET_CHILD_SUBREAPER, _SET_NO_NEW_PRIVS = 4, 24, 36, 38  # linux/prctl.h
_CAPABILITY_VERSION_3 = 0x20080522  # linux/capability.h


def call(name: str, *arguments: object) -> int:
    """Calls a function. Raises OSError if it returns -1, by errno."""
    result = getattr(_library, name)(*arguments)
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
    return result


def drop_powers(user: int | None) -> None:
    """Becomes `user`, if given, and drops all capabilities of root for good."""
    call("prctl", _SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    for capability in range(64):
        with suppress(OSError):  # past the last capability, or nothing to drop
            call("prctl", _CAPBSET_DROP, capability, 0, 0, 0)
    call("capset", (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)())


def hide() -> None:
    """Keeps other processes of this user out of this one's memory and open files."""
    call("prctl", _SET_DUMPABLE, 0, 0, 0, 0)


def adopt_orphans() -> None:
    """Keeps descendants below this process when their parents end, so that they are found."""
    call("prctl", _SET_CHILD_SUBREAPER, 1, 0, 0, 0)

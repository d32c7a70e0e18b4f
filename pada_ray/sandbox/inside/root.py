"""Gives a process in a mount namespace its own root folder. Replaces bubblewrap where that is missing."""

from __future__ import annotations

import ctypes
import os

from .system import call

_NOSUID, _NODEV, _BIND, _RECURSIVE = 2, 4, 0x1000, 0x4000  # linux/mount.h
_MOUNT_SETATTR = 442  # the same number on every machine
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_DETACH = 2


def enter_root(folder: str, shown: list[str], links: list[tuple[str, str]], work: str, disk: int) -> None:
    """Replaces the root by one with the paths in `shown`, read-only, and empty temporary folders.

    Args:
        folder: an empty folder to mount the new root on.
        shown: paths of files and folders to keep.
        links: path and target of symbolic links.
        work: a folder to create below /tmp.
        disk: bytes that each temporary folder may hold.
    """
    _mount("tmpfs", folder, "tmpfs", _NOSUID | _NODEV, "size=1m,mode=755")
    for path in ("/tmp", "/dev/shm"):
        os.makedirs(folder + path)
        _mount("tmpfs", folder + path, "tmpfs", _NOSUID | _NODEV, f"size={disk},mode=1777")
    os.mkdir(folder + work)
    os.chmod(folder + work, 0o777)
    for path in shown:
        _show(path, folder + path)
    for path, target in links:
        os.makedirs(os.path.dirname(folder + path), exist_ok=True)
        os.symlink(target, folder + path)
    os.chdir(folder)
    # This mounts the old root over the new one, so the next call can unmount it.
    call("syscall", ctypes.c_long(_PIVOT_ROOT[os.uname().machine]), b".", b".")
    call("umount2", b".", _DETACH)
    os.chdir("/")
    _make_read_only("/", recursive=False)


def _show(path: str, at: str) -> None:
    if os.path.isdir(path):
        os.makedirs(at, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(at), exist_ok=True)
        os.close(os.open(at, os.O_CREAT | os.O_WRONLY, 0o644))
    _mount(path, at, None, _BIND | _RECURSIVE, None)
    if not path.startswith("/dev/"):
        _make_read_only(at, recursive=True)


def _mount(source: str, target: str, kind: str | None, flags: int, options: str | None) -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind, options)]
    call("mount", *texts[:3], ctypes.c_ulong(flags), texts[3])


def _make_read_only(path: str, recursive: bool) -> None:
    """Needs Linux 5.12. `mount` cannot make the mounts below a mount read-only."""
    attributes = (ctypes.c_uint64 * 4)(1 | _NOSUID, 0, 0, 0)
    flags = 0x8000 if recursive else 0
    call("syscall", ctypes.c_long(_MOUNT_SETATTR), -100, os.fsencode(path), flags, attributes, ctypes.c_size_t(32))

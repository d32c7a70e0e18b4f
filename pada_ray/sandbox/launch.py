"""The ways to start a sandboxed process, strongest first."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pada_ray.sandbox.inside import main as inside  # compiled here, because the sandbox cannot write

Level = Literal["strong", "basic"]

MAX_DISK = 100_000_000  # bytes in all files together
_WORK = "/tmp/program"  # the program's folder in its own root
_INSIDE = Path(inside.__file__).parent
_START = "import sys; sys.path.insert(0, sys.argv[1]); from inside.main import main; del sys.path[0]; main()"
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


class Launch(NamedTuple):
    """One way. A strong one gives the program its own root folder, network and process table."""

    level: Level
    means: Literal["bubblewrap", "namespaces", "limits"]
    command: tuple[str, ...]
    """The command that starts Python, without Python itself."""
    own_user: bool
    """Whether the program runs as its own user. Only root can arrange that."""
    counted_apart: bool
    """Whether the system's limit on a user's processes counts only this program's."""

    def python(self) -> list[str]:
        """The command that starts `inside.main`."""
        parent = "/harness" if self.means == "bubblewrap" else str(_INSIDE.parent)
        # -S, because `site` takes longer than most programs.
        return [*self.command, sys.executable, "-I", "-S", "-c", _START, parent]

    def folder(self, outside: str) -> str:
        """The program's working folder, given its folder outside."""
        return outside if self.level == "basic" else _WORK

    def root(self, outside: str) -> dict[str, Any] | None:
        """The arguments of `enter_root`, or None if it need not be called."""
        if self.means != "namespaces":
            return None
        links, shown = _system()
        return {
            "folder": outside,
            "shown": [*shown, *_DEVICES, *map(str, _python())],
            "links": links,
            "work": _WORK,
            "disk": MAX_DISK,
        }


def launches() -> Iterator[Launch]:
    """The ways that may work on this machine."""
    is_root = os.geteuid() == 0
    bubblewrap, unshare = shutil.which("bwrap"), shutil.which("unshare")
    if bubblewrap is not None:
        command = (bubblewrap, *_bubblewrap())
        if is_root:
            # Needed to become another user, who then has neither capability.
            may = ("--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID")
            yield Launch("strong", "bubblewrap", (*command, *may), own_user=True, counted_apart=True)
        yield Launch("strong", "bubblewrap", (*command, "--unshare-user"), False, _counts_by_namespace())
    if unshare is not None:
        command = (unshare, "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child")
        if is_root:
            yield Launch("strong", "namespaces", command, own_user=True, counted_apart=True)
        yield Launch("strong", "namespaces", (*command, "--map-root-user"), False, _counts_by_namespace())
    if is_root:
        yield Launch("basic", "limits", (), own_user=True, counted_apart=True)
    yield Launch("basic", "limits", (), own_user=False, counted_apart=False)


def packages() -> list[str]:
    """The folders of installed packages that a program may import from."""
    found = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    return [path for path in found if any(Path(path).is_relative_to(folder) for folder in [Path("/usr"), *_python()])]


def _bubblewrap() -> list[str]:
    links, shown = _system()
    arguments = ["--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    arguments += ["--die-with-parent", "--as-pid-1", "--dev", "/dev"]
    for folder in ("/tmp", "/dev/shm"):
        arguments += ["--perms", "1777", "--size", str(MAX_DISK), "--tmpfs", folder]
    for path in _python():
        for parent in reversed(path.parents[:-1]):
            # If bubblewrap made these itself, other users could not enter them.
            arguments += [] if str(parent) in ("/tmp", "/usr") else ["--perms", "0755", "--dir", str(parent)]
        arguments += ["--ro-bind", str(path), str(path)]
    for name in shown:
        arguments += ["--ro-bind", name, name]
    for name, target in links:
        arguments += ["--symlink", target, name]
    arguments += ["--perms", "0755", "--dir", "/harness", "--ro-bind", str(_INSIDE), "/harness/inside"]
    arguments += ["--perms", "0777", "--dir", _WORK, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", _WORK]
    return arguments


def _system() -> tuple[list[tuple[str, str]], list[str]]:
    """What every program needs of the system: links with targets, and paths of files and folders."""
    names = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store", "/gnu/store"]
    names += ["/etc/alternatives", "/etc/ld.so.cache", "/etc/localtime"]
    links = [(name, os.readlink(name)) for name in names if os.path.islink(name)]
    return links, [name for name in names if os.path.exists(name) and not os.path.islink(name)]


def _python() -> list[Path]:
    """This Python's folders outside /usr."""
    started = Path(sys.executable)
    folders = {Path(sys.base_prefix), Path(sys.prefix), started.parent.parent, started.resolve().parent.parent}
    return sorted(folder for folder in folders if not folder.is_relative_to("/usr"))


def _counts_by_namespace() -> bool:
    """Whether Linux counts processes by user namespace, as it does from 5.14 on, and not by user."""
    major, minor = platform.release().split(".")[:2]
    return (int(major), int("".join(filter(str.isdigit, minor)))) >= (5, 14)

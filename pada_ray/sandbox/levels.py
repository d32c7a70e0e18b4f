"""How strong this machine's sandbox is, and what would make it stronger."""

from __future__ import annotations

import functools
import shutil
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pada_ray.errors import ConfigError, PadaError
from pada_ray.sandbox.inside.seccomp import filters_calls
from pada_ray.sandbox.launch import Launch, Level, launches
from pada_ray.sandbox.supervise import supervise

_SWITCHES = {
    # path: the value that forbids namespaces, and the command that allows them
    "/proc/sys/user/max_user_namespaces": ("0", "sysctl user.max_user_namespaces=10000"),
    "/proc/sys/kernel/unprivileged_userns_clone": ("0", "sysctl kernel.unprivileged_userns_clone=1"),
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": (
        "1",
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
}
# One module in Python and one in C, because another user may be unable to read them.
_PROGRAM, _TESTS = "import fractions, math\ndef half(): return fractions.Fraction(1, 2)", "assert program.half() == 0.5"
_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")


class Standing(NamedTuple):
    """The strongest launch that works here, and why no strong one does ("" if one does)."""

    launch: Launch
    why_not_strong: str


@functools.cache
def standing() -> Standing:
    """Tries the launches with a small program, once per process.

    Raises:
        PadaError: no launch works.
    """
    refused: dict[str, str] = {}
    for launch in launches():
        said = obstacle(launch)
        if not said:
            refused.pop("limits", None)
            return Standing(launch, "" if launch.level == "strong" else _why(refused))
        refused[launch.means] = said
    raise PadaError(f"no sandbox works on this machine: {_why(refused)}")


def check_level(required: Level) -> None:
    """Checks that this machine's sandbox is as strong as a config requires.

    Raises:
        ConfigError: it is not.
    """
    held = standing()
    if required == "strong" and held.launch.level != "strong":
        raise ConfigError(
            f"sandbox.require: this machine's sandbox is only basic ({held.why_not_strong}); "
            "set sandbox.require to `basic` to run code that can reach the network and the file system"
        )


def describe_level() -> str:
    """One line about this machine's sandbox, for `pada doctor`."""
    launch, why = standing()
    calls = "" if filters_calls() else "; system calls are not filtered"
    if launch.level == "strong":
        return f"strong, by {launch.means}: no network, no files but Python's, processes apart{calls}"
    files = "the files that every user may read" if launch.own_user else "this user's files"
    return f"basic, by limits: tested code reaches the network and {files}{calls}; {why}"


def obstacle(launch: Launch) -> str:
    """Why a launch does not work here, "" if it works."""
    try:
        tried = supervise(launch, _PROGRAM, _TESTS, timeout=20, memory_mb=1024)
    except OSError as err:
        return str(err)
    written = tried.output.strip().splitlines()
    return "" if tried.passed else written[-1] if written else tried.reason


def _why(refused: dict[str, str]) -> str:
    """Why these means do not work, and what may help."""
    reasons = [f"{means}: {said}" for means, said in refused.items()]
    cures = []
    if shutil.which("bwrap") is None:
        reasons.append("bubblewrap: not installed")
        cures.append("apt install bubblewrap")
    for path, (forbids, cure) in _SWITCHES.items():
        with suppress(OSError):
            if Path(path).read_text().strip() == forbids:
                cures.append(cure)
    if any(Path(mark).exists() for mark in _CONTAINER_MARKS):
        cures.append("start the container with --security-opt seccomp=unconfined --security-opt apparmor=unconfined")
    return "; ".join(reasons) + (f"; what may help: {', '.join(cures)}" if cures else "")

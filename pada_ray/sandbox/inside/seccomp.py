"""Closes system calls that no test of a function needs, and that have led out of sandboxes or around their limits.

A filter of the kernel decides on each call by its number (seccomp(2), linux/filter.h). It holds for this process and
all that it starts, and cannot be taken off. Where the kernel has no seccomp, or on another kind of processor, nothing
is filtered.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

from .system import call

_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""By name in uname: the kernel's own number (linux/audit.h), and the column in the tables below."""
_CLOSED = {  # by number on x86_64, on aarch64
    "io_uring_setup": (425, 425),  # does other calls' work out of the filter's sight
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "memfd_create": (319, 279),  # memory that no process has mapped, and that no limit counts
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "unshare": (272, 97),  # namespaces, in which a program would be root
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "ptrace": (101, 117),  # other processes' memory and files
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
}
_CLONE, _CLONE3, _SOCKET, _SOCKETPAIR = (56, 220), (435, 435), (41, 198), (53, 199)
_NEW_NAMESPACES = 0x7E020000  # the CLONE_NEW* flags of linux/sched.h
_FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6. Not AF_VSOCK, which leads to the host of a virtual machine.

_LOAD, _EQUALS, _AT_LEAST, _HAS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # linux/bpf_common.h
_NUMBER, _MACHINE, _FIRST_ARGUMENT = 0, 4, 16  # bytes into struct seccomp_data
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_PERM, _NOSYS, _AFNOSUPPORT = 1, 38, 97  # errno.h
_OTHER_ABI = 0x40000000  # x32 calls have numbers of their own
_SET_SECCOMP, _MODE_FILTER = 22, 2  # linux/prctl.h


class _Statement(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint16), ("then", ctypes.c_uint8), ("other", ctypes.c_uint8), ("k", ctypes.c_uint32)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("statements", ctypes.POINTER(_Statement))]


def filter_calls() -> None:
    """Needs `no_new_privs`, as `drop_powers` sets it."""
    statements = _statements(os.uname().machine)
    if statements:
        array = (_Statement * len(statements))(*statements)
        with suppress(OSError):  # a kernel without seccomp
            call("prctl", _SET_SECCOMP, _MODE_FILTER, ctypes.byref(_Program(len(array), array)), 0, 0)


def filters_calls() -> bool:
    """Whether `filter_calls` has an effect here."""
    return os.uname().machine in _MACHINES and os.path.exists("/proc/sys/kernel/seccomp")


def _statements(machine: str) -> list[_Statement]:
    if machine not in _MACHINES:
        return []
    own, column = _MACHINES[machine]
    statements = [
        _Statement(_LOAD, k=_MACHINE),
        _Statement(_EQUALS, 1, 0, own),
        _Statement(_RETURN, k=_ERROR | _NOSYS),  # such as 32-bit calls
        _Statement(_LOAD, k=_NUMBER),
        *_refused(_AT_LEAST, _OTHER_ABI, _NOSYS),
        # The C library then uses `clone`, whose flags a filter can read.
        *_refused(_EQUALS, _CLONE3[column], _NOSYS),
    ]
    for numbers in _CLOSED.values():
        statements += _refused(_EQUALS, numbers[column], _PERM)
    flags = [_Statement(_LOAD, k=_FIRST_ARGUMENT), *_refused(_HAS, _NEW_NAMESPACES, _PERM)]
    statements += _looked_into(_CLONE[column], flags)
    for numbers in (_SOCKET, _SOCKETPAIR):
        families = [_Statement(_LOAD, k=_FIRST_ARGUMENT)]
        families += [_Statement(_EQUALS, len(_FAMILIES) - i, 0, family) for i, family in enumerate(_FAMILIES)]
        statements += _looked_into(numbers[column], [*families, _Statement(_RETURN, k=_ERROR | _AFNOSUPPORT)])
    return [*statements, _Statement(_RETURN, k=_ALLOW)]


def _refused(test: int, k: int, error: int) -> list[_Statement]:
    """What holds `test` against `k` fails with `error`."""
    return [_Statement(test, 0, 1, k), _Statement(_RETURN, k=_ERROR | error)]


def _looked_into(number: int, statements: list[_Statement]) -> list[_Statement]:
    """`statements` decide on the call of this number, and allow it where they end."""
    return [_Statement(_EQUALS, 0, len(statements) + 1, number), *statements, _Statement(_RETURN, k=_ALLOW)]

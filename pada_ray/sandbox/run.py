"""Runs untrusted programs."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from pada_ray.resources import cores
from pada_ray.sandbox.levels import standing
from pada_ray.sandbox.supervise import SandboxResult, supervise


def run_python(program: str, tests: str = "", timeout: float = 10.0, memory_mb: int = 1024) -> SandboxResult:
    """Loads a program and runs tests against it. It passes if both reach their end.

    The tests run in their own process, where `program` is the loaded module: `program.add(2, 3)`. A bare name
    that the tests neither define nor import is looked up in it too, unless it is a builtin's name.

    Args:
        program: Python source text.
        tests: Python source text that raises an error if the program is wrong.
        timeout: seconds of wall time; CPU time is limited to about the same.
        memory_mb: MiB of address space per process, and of memory in all processes together.

    Raises:
        PadaError: no sandbox works on this machine.
    """
    return supervise(standing().launch, program, tests, timeout, memory_mb)


def run_python_many(
    programs: Sequence[str], tests: Sequence[str] | None = None, timeout: float = 10.0, memory_mb: int = 1024
) -> list[SandboxResult]:
    """`run_python` for each program, in order; one per core runs at a time.

    Args:
        programs: source texts.
        tests: the tests of each program; None for no tests.
    """
    launch = standing().launch
    tests = [""] * len(programs) if tests is None else tests
    with ThreadPoolExecutor(max_workers=cores()) as pool:
        return list(
            pool.map(lambda program, test: supervise(launch, program, test, timeout, memory_mb), programs, tests)
        )

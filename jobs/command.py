"""How every program ends on an error that the user can fix: one line on stderr and an exit code."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from jobs.output import unfailing
from pada_ray.errors import PadaError
from pada_ray.printable import printable

F = Callable[..., Any]


def command(function: F) -> F:
    """Wraps `function`: a PadaError that leaves it becomes one line on stderr and the error's exit code."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        # The user's own task may be in this folder. Ray's workers import from it anyway, an installed command does not.
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())
        try:
            return function(*args, **kwargs)
        except PadaError as e:
            said = printable(" ".join(str(e).split()))
            if e.exit_code == 0:  # nothing is wrong
                Console(file=unfailing(sys.stdout), soft_wrap=True, highlight=False, markup=False).print(said)
                raise typer.Exit(0) from None
            told = Text.assemble(("error:", "bold red"), " ", said)
            Console(file=unfailing(sys.stderr), soft_wrap=True).print(told)
            raise typer.Exit(e.exit_code) from None

    return wrapped


def main(function: F) -> None:
    """Runs `function` as a program of its own."""
    typer.run(command(function))

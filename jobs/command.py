"""How every program ends: an error that the user can mend is one line and exit code 2."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from pada_ray.errors import PadaError
from pada_ray.printable import printable

F = Callable[..., Any]


def command(function: F) -> F:
    """Turns a PadaError that leaves `function` into its line on stderr and its exit code."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        # Where a task of the user's own may lie. Ray's workers look there by themselves, an installed command does not.
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())
        try:
            return function(*args, **kwargs)
        except PadaError as e:
            said = printable(" ".join(str(e).split()))
            Console(stderr=True, soft_wrap=True).print(Text.assemble(("error:", "bold red"), " ", said))
            raise typer.Exit(e.exit_code) from None

    return wrapped


def main(function: F) -> None:
    """Runs `function` as a program of its own."""
    typer.run(command(function))

"""Go on with a run that was stopped, killed or failed: `pada resume RUN`."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.command import main
from jobs.drive import drive
from jobs.run import Verbose

Run = Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, such as runs/demo.")]


def resume(run: Run, verbose: Verbose = False) -> None:
    """Go on with RUN from its last finished stage. Replies that had arrived are not paid for again.

    Example: pada resume runs/demo
    """
    drive(run, verbose)


if __name__ == "__main__":
    main(resume)

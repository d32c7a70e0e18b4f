"""Go on with a run that was stopped, killed or failed: `pada resume RUN`."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.command import main
from jobs.drive import drive
from jobs.preparation import change_config
from jobs.run import Overrides, Verbose

Run = Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, such as runs/demo.")]


def resume(run: Run, set_: Overrides = None, verbose: Verbose = False) -> None:
    """Go on with RUN from its last finished stage. Replies that had arrived are not paid for again.

    Only how it calls and what it may spend can be set anew: keys of `llm` and `budget`.

    Example: pada resume runs/demo --set budget.usd=20
    """
    if set_:
        change_config(run, set_)
    drive(run, verbose)


if __name__ == "__main__":
    main(resume)

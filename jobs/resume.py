"""Resume a run that was stopped, was killed or failed: `pada resume RUN`."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.command import main
from jobs.local.run_folder import change_config, check_changes, lasting
from jobs.local.runner import drive
from jobs.remote.package import read_package
from jobs.remote.submission import Address, options, run_as_job
from jobs.run import NoProbe, Overrides, Verbose
from pada_ray.review.reviews import check_review
from pada_ray.storage import Folder

Run = Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, such as runs/demo.")]


def resume(
    run: Run, set_: Overrides = None, address: Address = None, no_probe: NoProbe = False, verbose: Verbose = False
) -> None:
    """Resume RUN after its last finished stage. Replies that have arrived are not paid for again. With --address it
    runs as a job on that cluster, where RUN is kept.

    `shared_disk`, `review`, `stop_if` and keys of `llm` and `budget` can be set anew, and those of `pattern_analysis`,
    `data_generation` and `quality_control` until the first of their stages has begun. What a person has edited in a run
    that waits for review is checked first.

    Example: pada resume runs/demo --set budget.usd=20
    """
    check_changes(set_ or [])
    if address is not None:
        raise typer.Exit(
            run_as_job(address, "resume", [run, *options(set_, no_probe=no_probe, verbose=verbose)], read_package())
        )
    folder = lasting(run)
    if set_:
        change_config(folder, set_)
    check_review(Folder(folder))
    drive(folder, verbose, probing=not no_probe)


if __name__ == "__main__":
    main(resume)

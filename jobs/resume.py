"""Resume a run that was stopped, was killed or failed: `pada resume RUN`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from jobs.command import main
from jobs.local.lock import locked
from jobs.local.probe import probe_runs
from jobs.local.ray_session import check_cluster
from jobs.local.run_folder import cache_file, change_config, changed_config, check_changes, lasting
from jobs.local.runner import drive
from jobs.remote.package import read_package
from jobs.remote.submission import Address, options, run_as_job
from jobs.run import NoProbe, Overrides, Verbose
from pada_ray.llm.stored_rows import drop_damaged
from pada_ray.review.reviews import check_review
from pada_ray.runs.configs import read_config
from pada_ray.runs.rewind import rewind, rewound
from pada_ray.runs.run_folder import RunFolder
from pada_ray.storage import Folder

From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="STAGE",
        help="Do this finished stage again, and what depends on it, such as 'iteration-1: data generation'; "
        "`start` does all of them again.",
    ),
]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, such as runs/demo.")]


def resume(
    run: Run,
    set_: Overrides = None,
    from_: From = None,
    address: Address = None,
    no_probe: NoProbe = False,
    verbose: Verbose = False,
) -> None:
    """Resume RUN after its last finished stage, or do it again from one. Replies that have arrived are not paid for
    again. With --address it runs as a job on that cluster, where RUN is kept.

    `shared_disk`, `tracking`, `review`, `stop_if` and keys of `llm` and `budget` can be set anew, and those of
    `pattern_analysis`, `data_generation` and `quality_control` until the first of their stages has begun. What a person
    has edited in a run that waits for review is checked first.

    Example: pada resume runs/demo --set budget.usd=20
    """
    check_changes(set_ or [])
    if address is not None:
        stage = [] if from_ is None else ["--from", from_]
        arguments = [run, *stage, *options(set_, no_probe=no_probe, verbose=verbose)]
        raise typer.Exit(run_as_job(address, "resume", arguments, read_package()))
    folder = lasting(run)
    read_config(Folder(folder))
    check_cluster()
    if from_ is not None:
        _go_back(Folder(folder), from_, set_ or [], probing=not no_probe)
    if set_:
        change_config(folder, set_)
    check_review(Folder(folder))
    drive(folder, verbose, probing=from_ is None and not no_probe)


def _go_back(folder: Folder, stage: str, overrides: list[str], *, probing: bool) -> None:
    """Undoes `stage` and what depends on it, after all that can be checked before: what is undone is lost."""
    with locked([folder.url]):
        after = rewound(folder, stage)
        config = changed_config(folder, overrides, after.state)
        RunFolder(folder.url, after.state.files).check()
        lost = drop_damaged(cache_file(read_config(folder), folder.url))
        probe_runs({folder.url: config}, Console(), probing=probing, states={folder.url: after.state})
        undone = rewind(folder, stage)
    print(f"done again: {', '.join(undone) or 'every stage'}" + f"; damaged replies: {lost}" * bool(lost))


if __name__ == "__main__":
    main(resume)

"""Follow a job on a cluster again: `pada attach JOB --address http://HEAD:8265`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from jobs.command import main
from jobs.remote.following import follow
from jobs.remote.submission import reaching

LINES = 20


def attach(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The job's id, as `pada run --address` printed it.")],
    address: Annotated[str, typer.Option(metavar="URL", help="The cluster's dashboard, such as http://HEAD:8265.")],
) -> None:
    """Follow JOB to its end, starting with the last lines of its log. Exits with the job's exit code.

    Example: pada attach pada-run-1a2b3c4d --address http://localhost:8265
    """
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    with reaching(address) as client:
        log = client.get_job_logs(job)
        sys.stdout.write("".join(log.splitlines(keepends=True)[-LINES:]))
        code = follow(client, job, address, console, seen=len(log))
    raise typer.Exit(code)


if __name__ == "__main__":
    main(attach)

"""Watch a run or a sweep on a page: `pada ui RUN_OR_SWEEP`."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import Annotated

import typer

from jobs.command import main
from jobs.local.run_folder import lasting
from jobs.local.unfinished import status_of
from jobs.report import RunOrSweep
from pada_ray.errors import ConfigError
from pada_ray.records import Record
from pada_ray.storage import Folder


def ui(
    run_or_sweep: RunOrSweep,
    port: Annotated[int, typer.Option(help="Port on this machine; 0: any.", min=0, max=65535)] = 8300,
) -> None:
    """Serve a page on this machine alone that shows a run or a sweep as it goes: stages, accuracies, patterns,
    strategies, new samples, calls. It can begin and end at any time. Where a run waits for a review, strategies and
    samples are edited there; nothing else is written.

    Example: pada ui runs/demo
    """
    from pada_ray.runs.sweep import CELLS, is_sweep
    from pada_ray.ui.app import serve, ui_app
    from pada_ray.ui.views import run_view, sweep_view

    folder = Folder(lasting(run_or_sweep))
    of_a_sweep = is_sweep(folder)

    def find(run: str | None) -> Folder:
        if not of_a_sweep:
            return folder
        if run is None or run not in {line.name for line in sweep_view(folder, status_of).runs}:
            raise ConfigError(f"{run}: no such run in this sweep")
        return Folder(folder.at(f"{CELLS}/{run}"))

    def look(run: str | None) -> Record:
        return sweep_view(folder, status_of) if of_a_sweep and run is None else run_view(find(run), status_of)

    look(None)
    key = secrets.token_urlsafe(16)

    def announce(address: str) -> None:
        typer.echo(f"page: {address}/?key={key}\nCtrl-C ends it, and touches no run")

    with contextlib.suppress(KeyboardInterrupt):
        try:
            asyncio.run(serve(ui_app(look, find, key), port, announce))
        except OSError as e:
            raise ConfigError(f"--port {port}: {e.strerror or e}; give another one") from None


if __name__ == "__main__":
    main(ui)

"""Run a grid of experiments: `pada sweep FILE`, or on a cluster
`ray job submit --working-dir . -- python -m jobs.sweep FILE`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from jobs.command import main
from jobs.drive import RunFailed, drive_all
from jobs.preparation import check, lay_out, read_each
from jobs.run import Overrides, Verbose
from pada_ray.state import is_done
from pada_ray.storage import Folder
from pada_ray.sweep import chosen, load_sweep, write_sweep

SweepPath = Annotated[
    str, typer.Argument(metavar="FILE", help="A config with a grid, such as configs/demo_table.yaml.")
]


Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="AXIS=LABEL", help="Take only these cells: --only regime=300 --only seed=10."),
]


def sweep(file: SweepPath, only: Only = None, set_: Overrides = None, verbose: Verbose = False) -> None:
    """Run every cell of the grid in FILE. The same command goes on with a sweep that was stopped.

    Example: pada sweep configs/demo_table.yaml --set parallel=2
    """
    console = Console(file=sys.stdout)
    loaded = load_sweep(file, set_ or [])
    cells = chosen(loaded, only or [])
    due = [cell.config for cell in cells if not is_done(loaded.folder(cell))]
    checked = list(zip(due, read_each(due), strict=True))
    for config, samples in checked:
        check(config, samples)
    write_sweep(loaded)
    runs = [lay_out(config, samples, Folder(f"{config.runs}/{config.name}")) for config, samples in checked]
    console.print(f"sweep: {loaded.url}, {len(cells)} runs, {len(cells) - len(due)} done", soft_wrap=True)
    failures = drive_all(runs, loaded.parallel, verbose, console) if runs else {}
    if failures:
        raise RunFailed(
            f"{len(failures)} of {len(cells)} runs failed, the others are done; the first: "
            f"{next(iter(failures.values()))}; the same command tries the failed ones again"
        )


if __name__ == "__main__":
    main(sweep)

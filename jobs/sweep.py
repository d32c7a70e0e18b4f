"""Run every cell of a grid: `pada sweep FILE`, or on a cluster
`ray job submit --working-dir . -- python -m jobs.sweep FILE`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from jobs.command import main
from jobs.local.checks import check
from jobs.local.ray_session import check_cluster
from jobs.local.run_folder import lasting, lay_out
from jobs.local.runner import NotBegun, RunFailed, drive_all
from jobs.output import unfailing
from jobs.remote.job_files import check_files, inside
from jobs.remote.package import read_package
from jobs.remote.submission import Address, options, run_as_job
from jobs.run import NoProbe, Overrides, Verbose
from pada_ray.data.splits import read_each
from pada_ray.errors import PAUSES, ConfigError, PadaError
from pada_ray.runs.axes import setting_of
from pada_ray.runs.state import is_done
from pada_ray.runs.sweep import FILE, Sweep, chosen, load_sweep, up_to, write_sweep
from pada_ray.storage import Folder

SweepPath = Annotated[
    str, typer.Argument(metavar="FILE", help="A config with a grid, such as configs/demo_table.yaml.")
]


Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="AXIS=LABEL", help="Take only these cells: --only regime=300 --only seed=10."),
]

AtLook = Annotated[
    int, typer.Option("--look", metavar="N", help="In a sweep with `looks`: take the seeds up to the Nth look.", min=1)
]


def sweep(
    file: SweepPath,
    only: Only = None,
    set_: Overrides = None,
    look: AtLook = 1,
    address: Address = None,
    no_probe: NoProbe = False,
    verbose: Verbose = False,
) -> None:
    """Run every cell of the grid in FILE. The same command resumes a stopped sweep. With --address it runs as a job on
    that cluster, which gets a copy of the current folder.

    If FILE has `looks`, it runs the seeds of the first one; --look 2 adds those of the second.

    Example: pada sweep configs/demo_table.yaml --only regime=300 --set parallel=4
    """
    console = Console(file=unfailing(sys.stdout))
    loaded = load_sweep(file, set_ or [], lasting)
    listed = loaded.cells if address is not None else up_to(loaded, _seeds_at(loaded, look))
    cells = [cell for cell in chosen(loaded, only or []) if cell in listed]
    if not cells:
        raise ConfigError(f"--only {' '.join(only or [])}: these cells are of a later look; --look N takes them")
    if address is not None:
        package = read_package()
        check_files([cell.config for cell in cells], package)
        arguments = [inside(file, package), *options(set_, only=only, no_probe=no_probe, verbose=verbose)]
        arguments += ["--look", str(look)] if loaded.design.looks else []
        raise typer.Exit(run_as_job(address, "sweep", arguments, package))
    check_cluster()
    due = [cell.config for cell in cells if not is_done(loaded.folder(cell))]
    checked = list(zip(due, read_each(due), strict=True))
    for config, samples in checked:
        check(config, samples)
    write_sweep(loaded, listed)
    runs = [lay_out(config, samples, Folder(f"{config.runs}/{config.name}")) for config, samples in checked]
    told = f"sweep: {loaded.url}, {len(cells)} runs, {len(cells) - len(due)} done"
    console.print(told, soft_wrap=True, markup=False)
    failures = drive_all(runs, loaded.parallel, verbose, console, probing=not no_probe) if runs else {}
    if failures:
        raise _as_one(list(failures.values()), len(cells))


def _seeds_at(loaded: Sweep, look: int) -> dict[str, int]:
    """How many of the grid's seeds are due at a look, by setting: all where the sweep has no looks."""
    looks, settings = loaded.design.looks, [setting_of(cell.coordinates) for cell in loaded.cells]
    if not looks:
        return dict.fromkeys(settings, len(loaded.seeds))
    if look > len(looks):
        raise ConfigError(f"--look {look}: the sweep has {len(looks)} looks, at {', '.join(map(str, looks))} seeds")
    moved = _seeds_by_the_power_rule(loaded) if look == len(looks) and loaded.design.detect is not None else {}
    return dict.fromkeys(settings, looks[look - 1]) | moved


def _seeds_by_the_power_rule(loaded: Sweep) -> dict[str, int]:
    """Those of the last look, by setting with a primary comparison."""
    from pada_ray.report.primary import seeds_of_the_last_look
    from pada_ray.report.results import read_sweep

    folder = Folder(loaded.url)
    seeds = seeds_of_the_last_look(read_sweep(folder)) if folder.exists(FILE) else {"": None}
    for setting in (setting for setting, number in seeds.items() if number is None):
        raise ConfigError(
            "--look: the seeds of the last look follow from the spread at the first one, which is not complete in "
            f"{setting or loaded.name}; run the sweep without --look first"
        )
    return {setting: number for setting, number in seeds.items() if number is not None}


def _as_one(problems: list[PadaError], runs: int) -> PadaError:
    """One error for a sweep of `runs` runs, some of which failed, are paused or were not begun."""
    failed = [e for e in problems if not isinstance(e, (*PAUSES, NotBegun))]
    paused = sum(isinstance(e, PAUSES) for e in problems)
    not_begun = len(problems) - len(failed) - paused
    if not failed:
        return type(problems[0])(f"{paused} of {runs} runs are paused, the others are done; the first: {problems[0]}")
    also = f", {paused} are paused" * bool(paused) + f", {not_begun} were not begun" * bool(not_begun)
    return RunFailed(
        f"{len(failed)} of {runs} runs failed{also}, the others are done; the first: {failed[0]}; "
        "the same command retries the failed ones"
    )


if __name__ == "__main__":
    main(sweep)

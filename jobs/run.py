"""Run PaDA-Agent: `pada run CONFIG`, or on a cluster
`ray job submit --working-dir . -- python -m jobs.run configs/demo.yaml`."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.command import main
from jobs.local.run_folder import prepare
from jobs.local.runner import drive
from jobs.remote.job_files import check_files, inside
from jobs.remote.package import read_package
from jobs.remote.submission import Address, options, run_as_job
from pada_ray.config import Config
from pada_ray.data.splits import read_data
from pada_ray.review.reviews import check_reviewable
from pada_ray.runs.configs import load
from pada_ray.runs.rehearsal import MEANING, rehearsal, student_at_hand

ConfigPath = Annotated[str, typer.Argument(metavar="CONFIG", help="A YAML file, such as configs/demo.yaml.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the config: --set data.regime=300."),
]
NoProbe = Annotated[
    bool, typer.Option("--no-probe", help="Do not ask the LLM endpoints for a few tokens before the start.")
]
New = Annotated[
    bool, typer.Option("--new", help="Begin another run, even if the last one of this name was stopped before its end.")
]
Rehearse = Annotated[
    bool,
    typer.Option(
        "--rehearse", help="The whole loop on 40 of your samples, one epoch, no key; its numbers mean nothing."
    ),
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show Ray's own logs.")]


def run(
    config: ConfigPath,
    set_: Overrides = None,
    rehearse: Rehearse = False,
    address: Address = None,
    no_probe: NoProbe = False,
    new: New = False,
    verbose: Verbose = False,
) -> None:
    """Run PaDA-Agent with the settings in CONFIG. With --address it runs as a job on that cluster, which gets a copy of
    the current folder.

    Example: pada run configs/demo.yaml --set seed=7 --set data.regime=300
    """
    loaded = load(config, set_)
    check_reviewable(loaded, config)
    if address is not None:
        package = read_package()
        check_files([loaded], package)
        passed = options(set_, rehearse=rehearse, no_probe=no_probe, new=new, verbose=verbose)
        raise typer.Exit(run_as_job(address, "run", [inside(config, package), *passed], package))
    if rehearse:
        loaded = rehearsed(loaded)
        typer.echo(f"{MEANING}; student {loaded.student.model}, {loaded.data.regime} training samples")
    drive(prepare(loaded, new=new), verbose, probing=not no_probe)
    if rehearse:
        typer.echo(f"rehearsed: {MEANING}; next: pada run {config}")


def rehearsed(config: Config) -> Config:
    """The rehearsal of a config, with its own student where that is small and on this machine."""
    return rehearsal(config, len(read_data(config)["train"]), student_at_hand(config.student.model))


if __name__ == "__main__":
    main(run)

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
from pada_ray.run.configs import load

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
Verbose = Annotated[bool, typer.Option("--verbose", help="Show Ray's own logs.")]


def run(
    config: ConfigPath,
    set_: Overrides = None,
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
    if address is not None:
        package = read_package()
        check_files([loaded], package)
        arguments = [inside(config, package), *options(set_, no_probe=no_probe, new=new, verbose=verbose)]
        raise typer.Exit(run_as_job(address, "run", arguments, package))
    drive(prepare(loaded, new=new), verbose, probing=not no_probe)


if __name__ == "__main__":
    main(run)

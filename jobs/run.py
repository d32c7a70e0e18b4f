"""Run PaDA-Agent: `pada run CONFIG`, or on a cluster
`ray job submit --working-dir . -- python -m jobs.run configs/demo.yaml`."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.command import main
from jobs.drive import drive
from jobs.preparation import prepare
from pada_ray.config import load_config

ConfigPath = Annotated[str, typer.Argument(metavar="CONFIG", help="A YAML file, such as configs/demo.yaml.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Lay a value over the config: --set data.regime=300."),
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show Ray's own logs.")]


def run(config: ConfigPath, set_: Overrides = None, verbose: Verbose = False) -> None:
    """Run PaDA-Agent as CONFIG says.

    Example: pada run configs/demo.yaml --set seed=7 --set data.regime=300
    """
    folder = prepare(load_config(config, set_))
    drive(folder, verbose)


if __name__ == "__main__":
    main(run)

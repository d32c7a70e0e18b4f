"""Print a run's tables again: `pada show RUN`."""

from __future__ import annotations

from rich.console import Console

from jobs.command import main
from jobs.resume import Run
from pada_ray.errors import ConfigError
from pada_ray.report import print_report
from pada_ray.runs.configs import read_config
from pada_ray.runs.run_folder import RunFolder, check_run, has_begun
from pada_ray.storage import Folder


def show(run: Run) -> None:
    """Print RUN's tables: accuracy, patterns, strategies, quality control, calls, files.

    Example: pada show runs/demo
    """
    read_config(Folder(run))
    if not has_begun(Folder(run)):
        raise ConfigError(f"{run}: nothing to show yet; `pada resume {run}` starts it")
    check_run(run)
    print_report(RunFolder(run), Console())


if __name__ == "__main__":
    main(show)

"""Show how far a run or a sweep has come: `pada status RUN_OR_SWEEP`."""

from __future__ import annotations

import time

from rich.console import Console

from jobs.command import main
from jobs.local.progress import clock, describe
from jobs.local.unfinished import how_to_go_on, status_of
from jobs.report import RunOrSweep
from pada_ray.printable import printable
from pada_ray.runs.configs import read_config
from pada_ray.runs.run_files import read_samples
from pada_ray.runs.run_folder import has_begun
from pada_ray.runs.state import FILE, read_state
from pada_ray.runs.sweep import is_sweep
from pada_ray.runs.time_left import Left, Outlook
from pada_ray.storage import Folder
from pada_ray.tasks import TASKS


def status(run: RunOrSweep) -> None:
    """Show how far a run has come, from its state on disk, and how to go on if it has been stopped; of a sweep, a line
    for each run.

    Example: pada status runs/demo
    """
    folder = Folder(run)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    if is_sweep(folder):
        _status_of_sweep(run, folder, console)
    else:
        _status_of_run(run, folder, console)


def _status_of_sweep(sweep: str, folder: Folder, console: Console) -> None:
    from pada_ray.ui.views import sweep_view

    runs = sweep_view(folder, status_of).runs
    done = sum(run.status == "done" for run in runs)
    console.print(f"{sweep}: a sweep of {len(runs)} runs, {done} done")
    if done < len(runs):
        console.print("the same `pada sweep FILE` goes on with the others")
    for run in runs:
        at = "" if run.status in ("done", "not begun") else f" at {run.stage}"
        console.print(printable(f"  {run.name}: {run.status}{at}"))


def _status_of_run(run: str, folder: Folder, console: Console) -> None:
    config = read_config(folder)
    if not has_begun(folder):
        console.print(f"{run}: prepared, not started; `pada resume {run}` starts it")
        return
    state = read_state(folder)
    ago = time.time() - folder.modified(FILE)
    now = status_of(run, config, state)
    console.print(f"{run}: {now}, last change {clock(ago)} ago")
    if how := how_to_go_on(run, now):
        console.print(how)
    if state.error:
        what = "" if state.status == "waiting for review" else "error: "
        console.print(printable(f"{what}{state.error}"))
    if now != "done":
        left = Left(None, None)
        if config.data.task is None or config.data.task in TASKS:  # another one is code, perhaps a stranger's
            outlook = Outlook(config, read_samples(folder, config.data.task))
            left = outlook.left(state, ago if now == "running" else 0.0)
        console.print(describe(state, left))
    for name, scores in state.scores.items():
        accuracies = ", ".join(f"{split} {100 * score.accuracy:.1f}" for split, score in scores.items())
        console.print(f"  {name}: {accuracies}")


if __name__ == "__main__":
    main(status)

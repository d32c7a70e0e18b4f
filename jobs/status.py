"""Show how far a run has come: `pada status RUN`."""

from __future__ import annotations

import time

from rich.console import Console

from jobs.command import main
from jobs.local.progress import clock, describe
from jobs.local.unfinished import how_to_go_on, status_of
from jobs.resume import Run
from pada_ray.printable import printable
from pada_ray.runs.configs import read_config
from pada_ray.runs.run_files import read_samples
from pada_ray.runs.run_folder import has_begun
from pada_ray.runs.state import FILE, read_state
from pada_ray.runs.time_left import Outlook
from pada_ray.storage import Folder


def status(run: Run) -> None:
    """Show how far RUN has come, from its state on disk, and how to go on if it has been stopped.

    Example: pada status runs/demo
    """
    folder = Folder(run)
    config = read_config(folder)
    console = Console(soft_wrap=True, highlight=False, markup=False)
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
        outlook = Outlook(config, read_samples(folder, config.data.task))
        left = outlook.left(state, ago if now == "running" else 0.0)
        console.print(describe(state, left))
    for name, scores in state.scores.items():
        accuracies = ", ".join(f"{split} {100 * score.accuracy:.1f}" for split, score in scores.items())
        console.print(f"  {name}: {accuracies}")


if __name__ == "__main__":
    main(status)

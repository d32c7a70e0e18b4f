"""Write the report of a run or a sweep: `pada report RUN_OR_SWEEP`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from jobs.command import main
from jobs.local.run_folder import lasting
from pada_ray.resources import cores
from pada_ray.runs.run_folder import check_run
from pada_ray.storage import Folder

RunOrSweep = Annotated[
    str, typer.Argument(metavar="RUN_OR_SWEEP", help="A run's or a sweep's folder, such as runs/demo.")
]
Out = Annotated[str | None, typer.Option(metavar="FOLDER", help="Output folder; default: `report` in that folder.")]
Against = Annotated[
    str | None,
    typer.Option(metavar="METHOD", help="In a sweep: the method to compare the others with; default: pada."),
]

_PRINTED = ("table1", "comparisons", "ablation_comparisons")


def report(run_or_sweep: RunOrSweep, out: Out = None, against: Against = None) -> None:
    """Write one HTML page that opens without a network, and its tables as CSV, Markdown and LaTeX.

    An unfinished run or sweep is reported as far as it got. In a sweep, every
    cell gets its own page, and accuracies and comparisons are also printed.

    Example: pada report runs/demo
    """
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from pada_ray.report import printed
    from pada_ray.report.results import Run, read_run, read_sweep
    from pada_ray.report.write import PAGE, TABLES, cell_folder, is_current, write_run, write_sweep
    from pada_ray.runs.sweep import is_sweep

    console = Console()
    folder = Folder(lasting(run_or_sweep))
    target = Folder(lasting(out) if out else folder.at("report"))
    if is_sweep(folder):
        sweep = read_sweep(folder)
        tables = write_sweep(sweep, target, against)
        for name in _PRINTED:
            if name in tables:
                console.print(printed(tables[name]))
        pages = {cell_folder(target, cell.name): cell.run for cell in sweep.cells if isinstance(cell.run, Run)}
        due = [(run, place) for place, run in pages.items() if not is_current(run, place)]
        # A page spends most of its time on clustering again, which shows how stable its clusters are.
        with ProcessPoolExecutor(cores(), mp_context=get_context("spawn")) as pool:
            written = pool.map(write_run, [run for run, _ in due], [place for _, place in due])
            for _ in track(written, "pages of cells", total=len(due), console=console, transient=True):
                pass
    else:
        run = read_run(folder)
        check_run(folder.url)
        write_run(run, target)
    told = f"page: {target.at(PAGE)}\ntables: {target.at(TABLES)}"
    console.print(told, soft_wrap=True, highlight=False, markup=False)


if __name__ == "__main__":
    main(report)

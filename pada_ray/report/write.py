"""Writes the report of a run or a sweep: the page, and its tables as CSV, Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

from pada_ray.report import presence_tables, result_tables, run_tables, sweep_tables
from pada_ray.report.best import Best, best_model
from pada_ray.report.charts import Chart, accuracy_chart, category_chart, difference_chart, iteration_chart, loss_chart
from pada_ray.report.comparison import compare_models, is_ablation, reference, split_for_results
from pada_ray.report.evidence import Evidence, read_evidence
from pada_ray.report.groups import groups_of
from pada_ray.report.headline import Headline, run_headlines, sweep_headlines
from pada_ray.report.items import read_items
from pada_ray.report.page import Contents, run_page, stamp, sweep_page
from pada_ray.report.primary import compare_methods
from pada_ray.report.results import Run, Sweep
from pada_ray.report.review_table import review_table
from pada_ray.report.tables import Table, to_csv, to_latex, to_markdown, without_empty_columns
from pada_ray.report.task_tables import task_tables
from pada_ray.runs.sweep import CELLS
from pada_ray.runs.sweep import FILE as SWEEP_FILE
from pada_ray.storage import Folder

PAGE = "index.html"
TABLES = "tables"
_HEAD = 300  # bytes at the start of a page that contain its stamp


def write_run(run: Run, out: Folder) -> None:
    """Writes `index.html` and `tables/` of a run, finished or not, into `out`."""
    evidence = read_evidence(run)
    best = best_model(run)
    headlines, tables, charts = run_contents(run, evidence, best)
    contents = Contents(
        headlines=headlines, tables=_write_tables(tables, out), charts={chart.name: chart for chart in charts}
    )
    out.write_text(PAGE, run_page(run, contents, evidence, read_items(run), best))


def run_contents(run: Run, evidence: Evidence, best: Best | None) -> tuple[list[Headline], list[Table], list[Chart]]:
    """What the report of a run says: headlines, tables (some without rows), and charts."""
    pairings = compare_models(run, run.final, [m for m in run.models if m != run.final]) if run.final else []
    tables = [
        run_tables.accuracy_table(run),
        presence_tables.presence_table(run),
        run_tables.comparison_table(run, pairings),
        *task_tables(run),
        run_tables.category_table(run, evidence),
        run_tables.table3(evidence.table3),
        run_tables.pattern_table(evidence),
        run_tables.turnover_table(evidence),
        run_tables.stability_table(evidence),
        run_tables.quality_table(run.quotas()),
        review_table(run),
        run_tables.token_table(run),
        run_tables.time_table(run),
    ]
    charts = [accuracy_chart(run), loss_chart(run), category_chart(run, evidence)]
    return run_headlines(run, best), tables, [chart for chart in charts if chart]


def write_sweep(sweep: Sweep, out: Folder, against: str | None = None) -> dict[str, Table]:
    """Writes `index.html` and `tables/` of a sweep, finished or not, into `out`. The page links the reports of the
    cells in their `cell_folder`. Returns the tables that have rows, by name.

    Methods are compared with `against`; see `comparison.reference`. Raises ConfigError when there is no such method.
    """
    runs, split = sweep.runs, split_for_results(sweep.runs)
    groups = groups_of(sweep)
    rivals = [group for group in groups if not group.is_reference] or groups
    methods = list(dict.fromkeys(group.method for group in rivals))
    against = reference(methods, against, sweep.design.method)
    compared = compare_methods(sweep, against, [method for method in methods if method != against])
    pairings = [pairing for pairing in compared if not is_ablation(pairing.other, against)]
    ablations = [pairing for pairing in compared if is_ablation(pairing.other, against)]
    tables = [
        result_tables.table1(sweep, pairings, against, split),
        result_tables.result_table(sweep, pairings, against, split),
        result_tables.comparison_table(
            sweep, pairings, against, split, "comparisons", f"{against} against the other methods"
        ),
        result_tables.gain_table(sweep, against, split),
        presence_tables.sweep_presence_table(sweep),
        result_tables.ablation_table(sweep, against, split),
        result_tables.comparison_table(
            sweep, ablations, against, split, "ablation_comparisons", f"{against} against its ablations"
        ),
        sweep_tables.iteration_table(sweep),
        sweep_tables.gap_table(sweep),
        sweep_tables.token_table(sweep),
        sweep_tables.unfinished_table(sweep),
        sweep_tables.cell_table(sweep),
    ]
    charts = [difference_chart([*pairings, *ablations], against), iteration_chart(sweep, against)]
    contents = Contents(
        headlines=sweep_headlines(sweep),
        tables=_write_tables(tables, out),
        charts={chart.name: chart for chart in charts if chart},
    )
    links = {i: f"{CELLS}/{cell.name}/{PAGE}" for i, cell in enumerate(sweep.cells) if isinstance(cell.run, Run)}
    changed = max([sweep.folder.modified(SWEEP_FILE), *(run.changed for run in runs)])
    out.write_text(PAGE, sweep_page(sweep, contents, links, changed))
    return contents.tables


def cell_folder(out: Folder, cell: str) -> Folder:
    """The folder for the report of a cell, inside the sweep's report `out`."""
    return Folder(out.at(f"{CELLS}/{cell}"))


def is_current(run: Run, out: Folder) -> bool:
    """Whether `out` holds the page of the run's current state, written by this version."""
    return out.exists(PAGE) and stamp(run.changed).encode() in out.read_bytes(PAGE, most=_HEAD)


def _write_tables(tables: Sequence[Table], out: Folder) -> dict[str, Table]:
    """Writes the tables that have rows. Returns them by name."""
    written = {table.name: without_empty_columns(table) for table in tables if table.rows}
    for name, table in written.items():
        out.write_text(f"{TABLES}/{name}.csv", to_csv(table))
        out.write_text(f"{TABLES}/{name}.md", to_markdown(table))
        out.write_text(f"{TABLES}/{name}.tex", to_latex(table))
    return written

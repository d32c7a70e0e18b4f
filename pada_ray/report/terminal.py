"""The report on the terminal: the end of a run, its tables by `pada show`, and those of a sweep."""

from __future__ import annotations

from typing import Literal

from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.table import Table
from rich.text import Text

from pada_ray.report import tables
from pada_ray.runs import run_files
from pada_ray.runs.event_log import read_events
from pada_ray.runs.rehearsal import MEANING
from pada_ray.runs.state import FILE, RunState
from pada_ray.storage import Folder

_WIDTH = 100  # of a run's tables at most; longer lines of text are hard to read

_ROWS = 10  # of labels or fields, the worst


def print_report(folder: Folder, console: Console) -> None:
    """Prints the tables of a run: accuracy, patterns with strategies, quality control, LLM calls, and files."""
    # Imported here, because they load numpy, which a run that has yet to start need not wait for.
    from pada_ray.findings.lineage import pattern_rows, read_all_findings, read_findings
    from pada_ray.report import run_tables
    from pada_ray.report.presence_tables import presence_table
    from pada_ray.report.results import read_run
    from pada_ray.report.task_tables import task_tables

    def show(table: tables.Table) -> None:
        if table.rows:
            console.print(Constrain(printed(table, notes=False), _WIDTH))

    run = read_run(folder)
    iterations = run.config.iterations
    if run.config.rehearsal:
        console.print(MEANING)
    if not run.models:
        console.print("No model has been evaluated yet.")
    show(run_tables.accuracy_table(run))
    for table in task_tables(run):
        show(table._replace(rows=table.rows[:_ROWS]))
    show(presence_table(run))
    for found in read_all_findings(folder)[:iterations]:
        show(run_tables.strategy_table(pattern_rows(found)))
    left = run_tables.remaining_table(pattern_rows(read_findings(folder, iterations + 1)))
    show(left)
    for event in read_events(folder):
        if event.event == "collapse":
            told = event.figures
            console.print(Text(f"warning: {told['model']}: the {told['what']} say little: {told['how']}"))
    unseen = [event for event in read_events(folder) if event.event == "not analysed"]
    if unseen and not left.rows:
        console.print(Text(f"{left.title} is not analysed: {unseen[-1].figures['error']}"))
    for iteration, groups in run.quotas().items():
        show(run_tables.quality_table({iteration: groups}))
    show(run_tables.token_table(run))
    console.print(files_table(folder, run.state))


def print_ending(folder: Folder, console: Console) -> None:
    """Prints what came of a run that is done, on one screen."""
    from pada_ray.report import ending  # which loads numpy, as above

    ending.print_ending(folder, console)


def printed(table: tables.Table, notes: bool = True) -> Group:
    """A table of the report for the terminal: a grid for each group, without the rows that hold no number yet."""
    table = tables.without_empty_columns(tables.for_terminal(table))
    shown: list[RenderableType] = []
    first = 1 if table.grouped else 0  # the name of a group is in the title
    for name, rows in tables.groups_of_rows(table):
        known = [i for i in rows if any(isinstance(value, (int, float, tuple)) for value in table.rows[i])]
        if not known:
            continue
        once = [j for j, c in enumerate(table.columns) if c.once and len({table.rows[i][j] for i in known}) == 1]
        same = ", ".join(f"{table.columns[j].title} {_text(table, known[0], j)}" for j in once)
        title = ": ".join(filter(None, [table.title, "; ".join(filter(None, [name, same]))]))
        lines = any(column.under for column in table.columns)
        grid = Table(title=Text(title), title_justify="left", show_lines=lines)
        kept = [j for j in range(first, len(table.columns)) if j not in once and not table.columns[j].under]
        for column in (table.columns[j] for j in kept):
            justify: Literal["left", "right"] = "left" if column.kind == "text" else "right"
            grid.add_column(Text(column.title), justify=justify, overflow="fold")
        for i in known:
            grid.add_row(*(_cell(table, i, j) for j in kept))
        shown.append(grid)
    if notes:
        shown.append(Text(". ".join(table.notes)))
    return Group(*shown, Text())


def files_table(folder: Folder, state: RunState) -> Table:
    """The most important files of a run."""
    table = Table(title="Files", title_justify="left", show_header=False)
    best = state.best or run_files.model(0)
    files = {
        "best adapter": f"{best}/adapter",
        "its training set": f"{best}/training_set.jsonl",
        "synthetic samples": "iteration-*/accepted.jsonl, rejected.jsonl",
        "patterns, strategies": "iteration-*/patterns.yaml, strategies.yaml",
        "replies to test and val": "*/predictions.jsonl",
        "config, state": f"{run_files.CONFIG}, {FILE}",
    }
    for what, where in {"run": folder.url, **files}.items():
        table.add_row(what, Text(where, overflow="fold"))
    return table


def _cell(table: tables.Table, i: int, j: int) -> Text:
    """What a model wrote is text, never markup."""
    below = j + 1 < len(table.columns) and table.columns[j + 1].under and table.rows[i][j + 1] is not None
    text = Text(_text(table, i, j), style="bold" if below or (i, j) in table.bold else "")
    return Text.assemble(text, "\n", _text(table, i, j + 1)) if below else text


def _text(table: tables.Table, i: int, j: int) -> str:
    return tables.text_of(table.rows[i][j], table.columns[j])

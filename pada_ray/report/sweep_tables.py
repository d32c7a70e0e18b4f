"""The progress of a sweep: cells, accuracy and generalization gap over the iterations, tokens, cost and time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from pada_ray.findings.gaps import NOTE, GeneralizationGap, gaps
from pada_ray.findings.statistics import interval
from pada_ray.llm.chat import spent
from pada_ray.records import SPLITS
from pada_ray.report.accounts import seconds
from pada_ray.report.groups import groups_of, mean_of, over_seeds, rounded
from pada_ray.report.labels import label
from pada_ray.report.result_tables import is_priced, token_values
from pada_ray.report.results import MissingRun, Sweep, SweepCell
from pada_ray.report.tables import Column, Table, Value


def cell_table(sweep: Sweep) -> Table:
    """Every cell of the sweep, whatever its status."""
    return _cell_table("cells", "Cells of the sweep", sweep.cells)


def unfinished_table(sweep: Sweep) -> Table:
    """The cells that are not done; no result counts them."""
    return _cell_table("unfinished", "Runs that are not done", [cell for cell in sweep.cells if not cell.is_done])


def _cell_table(name: str, title: str, cells: Sequence[SweepCell]) -> Table:
    columns = [
        Column("cell"),
        Column("status"),
        Column("last model"),
        Column("val", "number"),
        Column("test", "number"),
        Column("best on val"),
        Column("samples missing", "count"),
        Column("stage or error"),
    ]
    rows: list[list[Value]] = []
    for cell in cells:
        run = cell.run
        if isinstance(run, MissingRun):
            rows.append([cell.name, "missing", *[None] * 5, run.reason])
            continue
        last = run.models[-1] if run.models else None
        why = run.state.error or (None if run.status == "done" else run.state.stage)
        accuracies = [run.accuracy(last, "val"), run.accuracy(last, "test")]
        rows.append([cell.name, run.status, last, *accuracies, run.state.best, run.shortfall or None, why])
    notes = [
        "Accuracies in % of the last model so far",
        "samples missing: synthetic samples that the run asked for and did not get; comparisons leave such a run out",
    ]
    return Table(name, title, columns, rows, notes)


def iteration_table(sweep: Sweep) -> Table:
    """Accuracy after every iteration, including the finished iterations of unfinished runs."""
    columns = [
        Column("setting"),
        Column("method"),
        Column("model"),
        Column("split"),
        Column("seeds", "count"),
        Column("accuracy, %", "number"),
        Column("deviation", "number"),
        Column("95%", "interval"),
    ]
    rows: list[list[Value]] = []
    for group in groups_of(sweep):
        for model in group.models:
            for split in SPLITS:
                found = over_seeds([score for run in group.runs if (score := run.score(model, split))])
                if found.seeds:
                    values = (found.seeds, found.mean, found.deviation, found.interval)
                    rows.append([group.setting, group.method, label(model, group.method), split, *values])
    notes = [
        "Mean over seeds with Student's 95% interval; with one seed, Wilson's interval over the items",
        "Finished iterations of runs that are not done are included",
    ]
    return Table("iterations", "Accuracy over the iterations", columns, rows, notes, grouped=True)


def gap_table(sweep: Sweep) -> Table:
    """The generalization gap after every iteration."""
    columns = [
        Column("setting"),
        Column("method"),
        Column("model"),
        Column("seeds", "count"),
        Column("train − val", "signed"),
        Column("train − val, 95%", "interval"),
        Column("val − val apart", "signed"),
        Column("val − val apart, 95%", "interval"),
        Column("val − test", "signed"),
        Column("val − test, 95%", "interval"),
    ]
    rows: list[list[Value]] = []
    for group in groups_of(sweep):
        for model in group.models:
            found = [gap for run in group.runs for gap in gaps(run.state) if gap.model == model]
            rows.append(
                [
                    group.setting,
                    group.method,
                    label(model, group.method),
                    len(found),
                    *_gap_values(found, lambda gap: gap.train_minus_val),
                    *_gap_values(found, lambda gap: gap.val_minus_apart),
                    *_gap_values(found, lambda gap: gap.val_minus_test),
                ]
            )
    notes = [
        "Points, means over seeds with Student's 95% interval. Positive: the model does worse on data that it, or the "
        "agents, have seen less of",
        NOTE,
    ]
    return Table("gaps", "Generalization gap", columns, rows, notes, grouped=True)


def token_table(sweep: Sweep) -> Table:
    """Tokens, cost and time of the methods."""
    columns = [
        Column("setting"),
        Column("method"),
        Column("seeds", "count"),
        Column("calls", "count"),
        Column("prompt tokens", "count"),
        Column("completion tokens", "count"),
        Column("generator tokens", "count"),
        Column("all tokens", "count"),
        Column("USD", "number", 4),
        Column("minutes", "number"),
    ]
    rows: list[list[Value]] = []
    for group in groups_of(sweep):
        totals = [spent(run.state.usage) for run in group.done]
        rows.append(
            [
                group.setting,
                group.method,
                len(group.done),
                rounded(mean_of(total.calls for total in totals)),
                rounded(mean_of(total.prompt_tokens for total in totals)),
                rounded(mean_of(total.completion_tokens for total in totals)),
                *token_values(group.done, is_priced(sweep)),
                mean_of(seconds(run) / 60 for run in group.done),
            ]
        )
    notes = [
        "Means per finished run. Tokens and USD count as if each run were alone: a reply that runs share counts for "
        "each of them. A stage that runs share is done once, and its time counts for the run that did it",
    ]
    return Table("tokens", "Tokens, cost and time", columns, rows, notes, grouped=True)


def _gap_values(
    found: Sequence[GeneralizationGap], part: Callable[[GeneralizationGap], float | None]
) -> tuple[Value, Value]:
    points = [100 * gap for one in found if (gap := part(one)) is not None and not math.isnan(gap)]
    if not points:
        return None, None
    over = interval(points)
    return over.mean, None if over.low is None or over.high is None else (over.low, over.high)

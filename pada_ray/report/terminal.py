"""What a person reads on the terminal: the tables of a run, at its end and by `pada show`, and those of a sweep."""

from __future__ import annotations

import math
from typing import Any, Literal

from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from pada_ray.records import SPLITS
from pada_ray.report import tables
from pada_ray.report.labels import label
from pada_ray.run import run_files
from pada_ray.run.configs import read_config
from pada_ray.run.event_log import read_events
from pada_ray.run.state import FILE, RunState, Score, read_state
from pada_ray.storage import Folder


def print_report(folder: Folder, console: Console) -> None:
    """Prints accuracies, patterns with their strategies, what quality control did, the calls, and where things lie."""
    state, config = read_state(folder), read_config(folder)
    method = config.method
    iterations = [name for name in state.scores if name != run_files.BASE]
    console.print(accuracy_table(state, method))
    for name in iterations:
        patterns = _yaml(folder, f"{name}/patterns.yaml")
        if patterns:
            console.print(pattern_table(label(name, method), patterns, _yaml(folder, f"{name}/strategies.yaml")))
    left = _yaml(folder, run_files.patterns(config.iterations + 1))
    unseen = [event for event in read_events(folder) if event.event == "not analysed"]
    if left:
        console.print(remaining_table(left))
    elif unseen:
        console.print(Text(f"What the last model still gets wrong is not analysed: {unseen[-1].figures['error']}"))
    quotas = {name: _yaml(folder, f"{name}/quotas.yaml") for name in iterations}
    if any(quotas.values()):
        console.print(quality_table({name: groups for name, groups in quotas.items() if groups}))
    if state.usage:
        console.print(usage_table(state))
    console.print(files_table(folder, state))


def printed(table: tables.Table) -> Group:
    """A table of the report, as the terminal shows it: one for each group, without rows that hold no number yet."""
    shown = []
    texts = tables.texts(table, escape, "[bold]{}[/]")
    first = 1 if table.grouped else 0  # the name of a group stands above it
    for name, rows in tables.groups_of_rows(table):
        known = [i for i in rows if any(isinstance(value, (int, float, tuple)) for value in table.rows[i])]
        if not known:
            continue
        once = [j for j, c in enumerate(table.columns) if c.once and len({table.rows[i][j] for i in known}) == 1]
        same = ", ".join(f"{table.columns[j].title} {texts[known[0]][j]}" for j in once)
        title = ": ".join(filter(None, [table.title, "; ".join(filter(None, [name, same]))]))
        grid = Table(title=Text(title), title_justify="left")
        kept = [j for j in range(first, len(table.columns)) if j not in once]
        for column in (table.columns[j] for j in kept):
            justify: Literal["left", "right"] = "left" if column.kind == "text" else "right"
            grid.add_column(Text(column.title), justify=justify, overflow="fold")
        for i in known:
            grid.add_row(*(texts[i][j] for j in kept))
        shown.append(grid)
    return Group(*shown, Text(". ".join(table.notes)), Text())


def accuracy_table(state: RunState, method: str) -> Table:
    """Accuracy by model and split, the best on val marked."""
    known = {split for scores in state.scores.values() for split in scores}
    order = [split for split in SPLITS if split in known]
    table = Table(title="Accuracy (%)", title_justify="left")
    table.add_column("model")
    table.add_column("training samples", justify="right")
    for split in order:
        table.add_column(split.replace("_", " "), justify="right")
    for name, scores in state.scores.items():
        best = name == state.best
        row = [
            label(name, method) + (" (best on val)" if best else ""),
            str(state.counts.get(name, {}).get("training_samples", "-")),
            *(_accuracy(scores[s]) if s in scores else "-" for s in order),
        ]
        table.add_row(*row, style="bold" if best else "")
    return table


def pattern_table(name: str, patterns: list[dict[str, Any]], strategies: list[dict[str, Any]]) -> Table:
    """Error patterns of an iteration with the strategy drafted for each."""
    by_cluster = {s["cluster"]: s for s in strategies}
    table = Table(title=f"{name}: error patterns and strategies", title_justify="left", show_lines=True)
    table.add_column("failures", justify="right")
    table.add_column("pattern", ratio=1)
    table.add_column("strategy", ratio=1)
    for pattern in patterns:
        strategy = by_cluster.get(pattern["cluster"])
        table.add_row(
            str(pattern["size"]),
            _titled(pattern["category_name"], pattern["error_pattern"]),
            _titled(strategy["strategy_name"], strategy["generation_approach"]) if strategy else Text("none"),
        )
    return table


def remaining_table(patterns: list[dict[str, Any]]) -> Table:
    """Error patterns of the last model."""
    table = Table(title="What the last model still gets wrong", title_justify="left", show_lines=True)
    table.add_column("failures", justify="right")
    table.add_column("pattern", ratio=1)
    for pattern in patterns:
        table.add_row(str(pattern["size"]), _titled(pattern["category_name"], pattern["error_pattern"]))
    return table


def quality_table(quotas: dict[str, list[dict[str, Any]]]) -> Table:
    """What was drafted, accepted and rejected for what reason, per group."""
    table = Table(title="Data generation and quality control", title_justify="left")
    table.add_column("group")
    for column in ("quota", "accepted", "drafts", "regenerated"):
        table.add_column(column, justify="right")
    table.add_column("rejected")
    for name, groups in quotas.items():
        table.add_section()
        for group in groups:
            reasons = [f"{count} {reason}" for reason, count in group["rejected"].items()]
            reasons += [f"{group['unwritten']} unwritten"] if group["unwritten"] else []
            numbers = (group["quota"], group["accepted"], group["drafted"], group["regenerated"])
            table.add_row(f"{name}: {group['group']}", *map(str, numbers), ", ".join(reasons) or "none")
    return table


def usage_table(state: RunState) -> Table:
    """Calls with their tokens, by who answered and for what."""
    table = Table(title="LLM calls", title_justify="left")
    table.add_column("role")
    table.add_column("purpose")
    for column in ("calls", "prompt tokens", "completion tokens"):
        table.add_column(column, justify="right")
    for u in state.usage:
        purpose = f"{u.purpose} (another run paid)" if u.shared else u.purpose
        table.add_row(u.role, purpose, f"{u.calls:,}", f"{u.prompt_tokens:,}", f"{u.completion_tokens:,}")
    return table


def files_table(folder: Folder, state: RunState) -> Table:
    """Where to look."""
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


def _accuracy(score: Score) -> str:
    accuracy = "-" if math.isnan(score.accuracy) else f"{100 * score.accuracy:.1f}"
    return f"{accuracy} ({score.unscored} unscored)" if score.unscored else accuracy


def _titled(title: str, text: str) -> Text:
    return Text.assemble((title, "bold"), "\n", text)


def _yaml(folder: Folder, path: str) -> list[dict[str, Any]]:
    return (folder.read_yaml(path) or []) if folder.exists(path) else []

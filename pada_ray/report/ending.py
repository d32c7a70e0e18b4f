"""What the terminal says at the end of a run, on one screen: the best model, what it cost, and what to type next."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pada_ray.llm.chat import spent
from pada_ray.report.accounts import seconds
from pada_ray.report.best import Best, best_model
from pada_ray.report.comparison import Pairing
from pada_ray.report.headline import duration
from pada_ray.report.labels import label
from pada_ray.report.results import Run, interval_over_items, read_run
from pada_ray.report.tables import Column, text_of
from pada_ray.runs import run_files
from pada_ray.storage import Folder


def print_ending(folder: Folder, console: Console) -> None:
    """Prints the end of the run in `folder`, which is done. Nothing is cut, however narrow the terminal is."""
    run = read_run(folder)
    best = best_model(run)
    if best is None:
        return
    console.print()
    console.print(_score_grid(run, best))
    console.print()
    console.print(_figure_grid(run, best))
    console.print()
    for line in _paths(run, best):
        # The terminal breaks a long path, so that it can still be copied whole.
        console.print(Text(line), soft_wrap=True)


def _score_grid(run: Run, best: Best) -> Table:
    """A row for each model: its accuracy with the interval over the items."""
    grid = Table.grid(padding=(0, 2))
    for justify in ("left", "right", "left", "left"):
        grid.add_column(justify=justify, overflow="fold")
    grid.add_row("", Text(f"{best.split.replace('_', ' ')}, %"), "95%", "")
    for model in run.models:
        score = run.score(model, best.split)
        interval = text_of(interval_over_items(score), Column("", "interval")) if score else "–"
        accuracy = text_of(run.accuracy(model, best.split), Column("", "number"))
        remark = "the best on val" if model == best.model else ""
        style = "bold" if remark else ""
        grid.add_row(*(Text(text, style) for text in (label(model, run.method), accuracy, interval, remark)))
    return grid


def _figure_grid(run: Run, best: Best) -> Table:
    """What the best model gains, and what the run has cost."""
    total = spent(usage for usage in run.state.usage if not usage.shared)
    rows = {_over(pairing, run): _gain(pairing) for pairing in best.pairings}
    rows["LLM calls"] = f"{total.calls:,}, {total.tokens:,} tokens" if total.calls else "none paid for by this run"
    if total.calls:
        rows["money"] = "no price configured" if total.usd is None else f"USD {total.usd:,.2f}"
    rows["time in stages"] = duration(seconds(run))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(overflow="fold")
    grid.add_column(overflow="fold")
    for name, value in rows.items():
        grid.add_row(Text(name), Text(value))
    return grid


def _over(pairing: Pairing, run: Run) -> str:
    return f"gain over {'the ' if pairing.other == run_files.BASE else ''}{label(pairing.other, run.method)}"


def _gain(pairing: Pairing) -> str:
    if pairing.found is None:
        return f"not compared: {pairing.problem}"
    points = text_of(pairing.found.difference, Column("", "signed"))
    interval = text_of((pairing.found.low, pairing.found.high), Column("", "interval"))
    return f"{points} points, 95% {interval}, p {text_of(pairing.corrected, Column('', 'p'))}"


def _paths(run: Run, best: Best) -> list[str]:
    where = run.folder.url
    if best.adapter is None:
        return ["no fine-tuned model did better on val than the base model", "", *_next(where, ["show", "report"])]
    return [f"adapter: {best.adapter}", "", *_next(where, list(_COMMANDS))]


_COMMANDS = {
    "show": ("pada show {}", "patterns, strategies, quality control, calls, files"),
    "report": ("pada report {}", "all of it on a page, with examples and every reply"),
    "chat": ("pada chat {}", "talk to the model"),
    "export": ("pada export {} --to DIR", "take it away"),
}


def _next(where: str, names: list[str]) -> list[str]:
    return ["next:", *(f"  {_COMMANDS[name][0].format(where)}  # {_COMMANDS[name][1]}" for name in names)]

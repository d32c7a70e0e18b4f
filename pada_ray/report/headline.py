"""The figures at the top of a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from pada_ray.config import Config
from pada_ray.findings.statistics import Comparison
from pada_ray.llm.account import by_which_list
from pada_ray.llm.chat import spent
from pada_ray.records import Split
from pada_ray.report.accounts import seconds
from pada_ray.report.best import Best
from pada_ray.report.comparison import Pairing, split_for_results
from pada_ray.report.labels import label
from pada_ray.report.results import Run, Sweep, interval_over_items
from pada_ray.report.tables import Column, text_of
from pada_ray.runs import run_files
from pada_ray.runs.rehearsal import MEANING


class Headline(NamedTuple):
    name: str
    value: str
    detail: str = ""


def run_headlines(run: Run, best: Best | None) -> list[Headline]:
    """Accuracy of the model that the user gets and of what it was made from, its gains, synthetic samples, tokens and
    time. Before the run knows its best model: of the last and the first tuned model."""
    split = split_for_results([run])
    if best is None:
        tuned = [model for model in run.models if model != run_files.BASE]
        shown = [*tuned[-1:], *tuned[:1]]
    else:
        shown = [best.model, *(pairing.other for pairing in reversed(best.pairings))]
    headlines = [Headline("Rehearsal", "no result", MEANING)] if run.config.rehearsal else []
    headlines += [_accuracy_headline(run, model, split) for model in dict.fromkeys(shown)]
    for pairing in reversed(best.pairings) if best else []:
        if pairing.found:
            headlines.append(_difference_headline(pairing, pairing.found))
    accepted, rejected = (sum(c.get(key, 0) for c in run.state.counts.values()) for key in ("accepted", "rejected"))
    if accepted or rejected:
        headlines.append(Headline("Synthetic samples", f"{accepted:,}", f"{rejected:,} drafts rejected"))
    total = spent(run.state.usage)
    if total.calls:
        headlines.append(Headline("LLM tokens", f"{total.tokens:,}", _money(total.usd, [run.config])))
    if run.state.finished:
        headlines.append(Headline("Time in stages", duration(seconds(run))))
    return headlines


def sweep_headlines(sweep: Sweep) -> list[Headline]:
    """Runs done, methods, settings, seeds, tokens and time."""
    runs = sweep.runs
    done = [run for run in runs if run.final]
    stopped = Counter(run.status for run in runs if run.status in ("failed", "paused"))
    total = spent(usage for run in runs for usage in run.state.usage if not usage.shared)
    return [
        Headline(
            "Runs done",
            f"{len(done)} of {len(sweep.cells)}",
            ", ".join(f"{n} {status}" for status, n in stopped.items()),
        ),
        Headline("Methods", str(len({run.method for run in runs}))),
        Headline("Settings", str(len({run.setting for run in runs}))),
        Headline("Seeds", str(len({run.seed for run in runs}))),
        Headline(
            "LLM tokens", f"{total.tokens:,}", _money(total.usd, [run.config for run in runs]) if total.calls else ""
        ),
        Headline("Time in stages", duration(sum(map(seconds, runs)))),
    ]


def _accuracy_headline(run: Run, model: str, split: Split) -> Headline:
    score = run.score(model, split)
    name = f"{label(model, run.method)}, {split}"
    if score is None:
        return Headline(name, "–")
    interval = text_of(interval_over_items(score), Column("", "interval"))
    return Headline(name, f"{100 * score.accuracy:.1f}%", f"95% {interval}")


def _difference_headline(pairing: Pairing, found: Comparison) -> Headline:
    points = text_of(found.difference, Column("", "signed"))
    interval = text_of((found.low, found.high), Column("", "interval"))
    p = text_of(pairing.corrected, Column("", "p"))
    name = "base" if pairing.other == run_files.BASE else "vanilla"
    return Headline(f"Gain over {name}", f"{points} points", f"95% {interval}, p\u00a0{p}")


def _money(usd: float | None, configs: Iterable[Config]) -> str:
    return "no price configured" if usd is None else f"USD {usd:,.2f}{by_which_list(configs)}"


def duration(seconds: float) -> str:
    hours, minutes = int(seconds // 3600), int(seconds % 3600 // 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {int(seconds % 60)} s"

"""What a report says first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from pada_ray.findings.statistics import Comparison
from pada_ray.records import Split
from pada_ray.report.accounts import seconds, spent
from pada_ray.report.comparison import Pairing, split_for_results
from pada_ray.report.labels import label
from pada_ray.report.results import Run, Sweep, interval_over_items
from pada_ray.report.tables import Column, text_of
from pada_ray.run import run_files


class Fact(NamedTuple):
    name: str
    value: str
    detail: str = ""


def run_facts(run: Run, pairings: Sequence[Pairing]) -> list[Fact]:
    """Accuracy of the last and the first tuned model, their difference, synthetic samples, tokens and time."""
    split = split_for_results([run])
    vanilla = run_files.model(0)
    tuned = [model for model in run.models if model != run_files.BASE]
    facts = [_accuracy_fact(run, model, split) for model in dict.fromkeys([*tuned[-1:], *tuned[:1]])]
    facts += [_difference_fact(p, p.found) for p in pairings if p.other == vanilla and p.found]
    accepted, rejected = (sum(c.get(key, 0) for c in run.state.counts.values()) for key in ("accepted", "rejected"))
    if accepted or rejected:
        facts.append(Fact("Synthetic samples", f"{accepted:,}", f"{rejected:,} drafts rejected"))
    total = spent(run.state.usage)
    if total.calls:
        facts.append(Fact("LLM tokens", f"{total.tokens:,}", _money(total.usd)))
    if run.state.finished:
        facts.append(Fact("Time in stages", _duration(seconds(run))))
    return facts


def sweep_facts(sweep: Sweep) -> list[Fact]:
    """How much of the sweep is done, and what it took."""
    runs = sweep.runs
    done = [run for run in runs if run.final]
    stopped = Counter(run.status for run in runs if run.status in ("failed", "paused"))
    total = spent(usage for run in runs for usage in run.state.usage if not usage.shared)
    return [
        Fact(
            "Runs done",
            f"{len(done)} of {len(sweep.cells)}",
            ", ".join(f"{n} {status}" for status, n in stopped.items()),
        ),
        Fact("Methods", str(len({run.method for run in runs}))),
        Fact("Settings", str(len({run.setting for run in runs}))),
        Fact("Seeds", str(len({run.seed for run in runs}))),
        Fact("LLM tokens", f"{total.tokens:,}", _money(total.usd) if total.calls else ""),
        Fact("Time in stages", _duration(sum(map(seconds, runs)))),
    ]


def _accuracy_fact(run: Run, model: str, split: Split) -> Fact:
    score = run.score(model, split)
    name = f"{label(model, run.method)}, {split}"
    if score is None:
        return Fact(name, "–")
    interval = text_of(interval_over_items(score), Column("", "interval"))
    return Fact(name, f"{100 * score.accuracy:.1f}%", f"95% {interval}")


def _difference_fact(pairing: Pairing, found: Comparison) -> Fact:
    points = text_of(found.difference, Column("", "signed"))
    interval = text_of((found.low, found.high), Column("", "interval"))
    p = text_of(pairing.corrected, Column("", "p"))
    return Fact("Gain over vanilla", f"{points} points", f"95% {interval}, p\u00a0{p}")


def _money(usd: float | None) -> str:
    return "no price configured" if usd is None else f"USD {usd:,.2f}"


def _duration(seconds: float) -> str:
    hours, minutes = int(seconds // 3600), int(seconds % 3600 // 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {int(seconds % 60)} s"

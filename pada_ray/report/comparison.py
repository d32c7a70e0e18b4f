"""Paired comparisons of two methods or models over the same items."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from pada_ray.errors import ConfigError
from pada_ray.findings.statistics import Comparison, compare, holm
from pada_ray.randomness import number_for
from pada_ray.records import Message, Split
from pada_ray.report.results import Run
from pada_ray.runs.axes import Label

LEVEL = 0.05
_TOO_FEW = "fewer than two items with a score for both"


class Look(NamedTuple):
    """Where a primary comparison stands among its looks."""

    number: int | None
    """From 1; None where the seeds that are done are those of no look."""
    seeds: tuple[int, ...]
    """At each look."""
    planned: tuple[int, ...]
    """The same before the last look was moved."""
    done: int


class Pairing(NamedTuple):
    """A reference compared with another method in one setting, or two models of one run compared."""

    setting: str
    other: str
    found: Comparison | None
    problem: str = ""
    """Why there is no comparison."""
    corrected: float | None = None
    """p after Holm's correction over its family and, of a primary comparison, after that for its looks."""
    look: Look | None = None
    """Of a primary comparison; None for an exploratory one."""
    bound: float | None = None
    """What p has to be below at this look and this step of Holm's method."""
    needed: int | str | None = None
    """Seeds that show the difference that the design wants to detect, by the spread at the first look."""

    @property
    def p(self) -> float | None:
        return self.found.p if self.found else None

    @property
    def significant(self) -> bool:
        return self.corrected is not None and self.corrected < LEVEL

    @property
    def standing(self) -> str:
        """What the comparison says, in words."""
        if self.look is None:
            return f"exploratory: {self.problem}" if self.problem else "exploratory"
        if self.look.number is None:
            looks = " and ".join(map(str, self.look.seeds))
            return f"primary: no verdict, {self.look.done} seeds are done and a look is at {looks}"
        if self.problem:
            return f"primary: {self.problem}"
        return "primary: significant" if self.significant else "primary: not significant"


class Items(NamedTuple):
    """The items of a split and whether a model got each right, by id. `right` leaves out unscored replies."""

    texts: dict[str, list[Message]]
    right: dict[str, bool]


def split_for_results(runs: Sequence[Run]) -> Split:
    """The split to report results on: test; if no run has it, the part of val held apart; else val."""
    known = {split for run in runs for scores in run.state.scores.values() for split in scores}
    order: tuple[Split, ...] = ("test", "val_apart")
    return next((split for split in order if split in known), "val")


def reference(methods: Sequence[str], against: str | None, primary: str | None = None) -> str:
    """The method that the others are compared with: `against` if given, else that of the `primary` comparisons, else
    PaDA-Agent, else the first.

    Raises ConfigError when no method has the name `against`.
    """
    if against is None:
        return next((name for name in (primary or "pada", "pada") if name in methods), methods[0])
    if against not in methods:
        raise ConfigError(f"--against {against}: no run of this method; use one of {', '.join(methods)}")
    return against


def is_ablation(method: str, against: str) -> bool:
    """`pada -quality` is an ablation of `pada`."""
    return method.startswith(f"{against} -")


def pair_methods(
    runs: Sequence[Run], setting: str, against: str, other: str, only: Collection[Label] | None = None
) -> Pairing:
    """`against` compared with `other` in one setting, over the seeds of which both have a finished run, or over those
    of them in `only`. A seed in which either got fewer samples than it asked for is left out: the two would differ in
    size."""
    split = split_for_results(runs)
    reference, theirs = _by_seed(runs, setting, against), _by_seed(runs, setting, other)
    finished = [s for s in finished_seeds(runs, setting, against, other) if only is None or s in only]
    whole = [s for s in finished if not (reference[s].shortfall or theirs[s].shortfall)]
    scored = [s for s in whole if all(run.score(run.final, split) for run in (reference[s], theirs[s]))]
    if not scored:
        short = "; the others got fewer samples than they asked for" if len(whole) < len(finished) else ""
        return Pairing(setting, other, None, f"no seed with finished runs of both {against} and {other}{short}")
    mine = [items_of(reference[s], reference[s].final or "", split) for s in scored]
    others = [items_of(theirs[s], theirs[s].final or "", split) for s in scored]
    unequal = [s for s, a, b in zip(scored, mine, others, strict=True) if a.texts != b.texts]
    if unequal:
        return Pairing(setting, other, None, f"seed {unequal[0]}: {split} items differ from {against}'s")
    found = _compare(mine, others, _chance(setting, against, other))
    return Pairing(setting, other, found, "" if found else _TOO_FEW)


def finished_seeds(runs: Sequence[Run], setting: str, *methods: str) -> list[Label]:
    """The seeds of which all these methods have a finished run in a setting, in the order of the first method's."""
    first, *others = [_by_seed(runs, setting, method) for method in methods]
    done = [{seed for seed, run in of_method.items() if run.final} for of_method in (first, *others)]
    return [seed for seed in first if all(seed in seeds for seeds in done)]


def compare_models(run: Run, model: str, others: Sequence[str]) -> list[Pairing]:
    """`model` compared with each of `others` of the same run."""
    split = split_for_results([run])
    mine = items_of(run, model, split)
    pairings = []
    for other in others:
        found = _compare([mine], [items_of(run, other, split)], _chance(run.setting, model, other))
        problem = "" if found else _TOO_FEW
        pairings.append(Pairing(run.setting, other, found, problem))
    corrected = holm({i: p.found.p for i, p in enumerate(pairings) if p.found})
    return [pairing._replace(corrected=corrected.get(i)) for i, pairing in enumerate(pairings)]


def items_of(run: Run, model: str, split: Split) -> Items:
    """The items of a split with the results of `model`."""
    predictions = run.predictions(model, split)
    return Items(run.texts(split), {i: not p.failed for i, p in predictions.items() if p.failed is not None})


def _by_seed(runs: Sequence[Run], setting: str, method: str) -> dict[Label, Run]:
    return {run.seed: run for run in runs if (run.setting, run.method) == (setting, method)}


def _compare(a: Sequence[Items], b: Sequence[Items], chance: int) -> Comparison | None:
    """Compares on the items with a score for both; None with fewer than two. Where all seeds share the items, an item
    needs a score in every seed."""
    crossed = all(items.texts == a[0].texts for items in a)
    scored = [sorted(x.right.keys() & y.right.keys()) for x, y in zip(a, b, strict=True)]
    if crossed:
        everywhere = set(scored[0]).intersection(*scored)
        scored = [sorted(everywhere)] * len(scored)
    if min(map(len, scored)) < 2:
        return None
    return compare(
        [[items.right[i] for i in ids] for items, ids in zip(a, scored, strict=True)],
        [[items.right[i] for i in ids] for items, ids in zip(b, scored, strict=True)],
        crossed=crossed,
        seed=chance,
    )


def _chance(*names: str) -> int:
    return number_for(0, "report", *names) % 2**32

"""Paired comparisons of methods or models over the same items, corrected for the number of comparisons in a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pada_ray.errors import ConfigError
from pada_ray.findings.statistics import Comparison, compare, holm
from pada_ray.randomness import number_for
from pada_ray.records import Message, Split
from pada_ray.report.results import Run
from pada_ray.run.sweep import Label

LEVEL = 0.05
_TOO_FEW = "fewer than two items with a score for both"


class Pairing(NamedTuple):
    """A reference compared with another method in one setting, or two models of one run compared."""

    setting: str
    other: str
    found: Comparison | None
    p: float | None = None
    """From the bootstrap over seeds and items; with one seed, McNemar's exact p."""
    corrected: float | None = None
    """p after Holm's correction over all pairings of the table."""
    problem: str = ""
    """Why there is no comparison."""

    @property
    def significant(self) -> bool:
        return self.corrected is not None and self.corrected < LEVEL


class Items(NamedTuple):
    """The items of a split and whether a model got each right, by id. `right` leaves out unscored replies."""

    texts: dict[str, list[Message]]
    right: dict[str, bool]


def split_for_results(runs: Sequence[Run]) -> Split:
    """The split to report results on: test; if no run has it, the part of val held apart; else val."""
    known = {split for run in runs for scores in run.state.scores.values() for split in scores}
    order: tuple[Split, ...] = ("test", "val_apart")
    return next((split for split in order if split in known), "val")


def settings_of(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(run.setting for run in runs))


def reference(methods: Sequence[str], against: str | None) -> str:
    """The method that the others are compared with: `against` if given, else PaDA-Agent, else the first.

    Raises ConfigError when no method has the name `against`.
    """
    if against is None:
        return "pada" if "pada" in methods else methods[0]
    if against not in methods:
        raise ConfigError(f"--against {against}: no run of this method; use one of {', '.join(methods)}")
    return against


def is_ablation(method: str, against: str) -> bool:
    """`pada -quality` is an ablation of `pada`."""
    return method.startswith(f"{against} -")


def compare_methods(runs: Sequence[Run], against: str, others: Sequence[str]) -> list[Pairing]:
    """`against` compared with each of `others` in every setting where the other has a run; one family for Holm."""
    split = split_for_results(runs)
    pairings = []
    for setting in settings_of(runs):
        reference = _by_seed(runs, setting, against)
        for other in others:
            theirs = _by_seed(runs, setting, other)
            if theirs:
                pairings.append(_pair_methods(setting, against, other, reference, theirs, split))
    return _corrected(pairings)


def compare_models(run: Run, model: str, others: Sequence[str]) -> list[Pairing]:
    """`model` compared with each of `others` of the same run."""
    split = split_for_results([run])
    mine = items_of(run, model, split)
    pairings = []
    for other in others:
        found = _compare([mine], [items_of(run, other, split)], _chance(run.setting, model, other))
        problem = "" if found else _TOO_FEW
        pairings.append(Pairing(run.setting, other, found, problem=problem))
    return _corrected(pairings)


def items_of(run: Run, model: str, split: Split) -> Items:
    """The items of a split with the results of `model`."""
    predictions = run.predictions(model, split)
    return Items(run.texts(split), {i: not p.failed for i, p in predictions.items() if p.failed is not None})


def _by_seed(runs: Sequence[Run], setting: str, method: str) -> dict[Label, Run]:
    return {run.seed: run for run in runs if (run.setting, run.method) == (setting, method)}


def _pair_methods(
    setting: str, against: str, other: str, reference: dict[Label, Run], theirs: dict[Label, Run], split: Split
) -> Pairing:
    common = [seed for seed in reference if seed in theirs]
    finished = [s for s in common if all(run.score(run.final, split) for run in (reference[s], theirs[s]))]
    if not finished:
        return Pairing(setting, other, None, problem=f"no seed with finished runs of both {against} and {other}")
    mine = [items_of(reference[s], reference[s].final or "", split) for s in finished]
    others = [items_of(theirs[s], theirs[s].final or "", split) for s in finished]
    unequal = [s for s, a, b in zip(finished, mine, others, strict=True) if a.texts != b.texts]
    if unequal:
        return Pairing(setting, other, None, problem=f"seed {unequal[0]}: {split} items differ from {against}'s")
    found = _compare(mine, others, _chance(setting, against, other))
    return Pairing(setting, other, found, problem="" if found else _TOO_FEW)


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


def _corrected(pairings: Sequence[Pairing]) -> list[Pairing]:
    p = {
        i: pairing.found.mcnemar_p if pairing.found.seeds == 1 else pairing.found.p
        for i, pairing in enumerate(pairings)
        if pairing.found
    }
    corrected = holm(p)
    return [pairing._replace(p=p.get(i), corrected=corrected.get(i)) for i, pairing in enumerate(pairings)]


def _chance(*names: str) -> int:
    return number_for(0, "report", *names) % 2**32

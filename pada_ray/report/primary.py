"""The comparisons of a sweep. Those that its design names are primary: they are corrected for their number and their
looks, and they alone can be significant. All others are exploratory, and their p is as it comes."""

from __future__ import annotations

from collections.abc import Sequence

from pada_ray.findings.looks import MOST_SEEDS, adjusted, bounds, seeds_needed
from pada_ray.findings.statistics import holm
from pada_ray.report.comparison import LEVEL, Look, Pairing, finished_seeds, pair_methods
from pada_ray.report.results import Run, Sweep
from pada_ray.runs.axes import METHOD, SEED, Label, setting_of


def compare_methods(sweep: Sweep, against: str, others: Sequence[str]) -> list[Pairing]:
    """`against` compared with each of `others`, in every setting where a run of the other has begun, or where the
    comparison is primary.

    Holm's family are all primary comparisons among these, those without a result included.
    """
    begun = {(run.setting, run.method) for run in sweep.runs}
    pairings: list[Pairing] = []
    family: list[int] = []  # the positions of the primary ones
    for setting, cells in _cells(sweep).items():
        for other in others:
            is_primary = other in {method for method, _ in cells} and sweep.design.is_primary(
                against, other, cells[0][1]
            )
            if is_primary:
                family.append(len(pairings))
            if is_primary or (setting, other) in begun:
                pairings.append(pair_methods(sweep.runs, setting, against, other))
    placed = _at_their_looks(sweep, against, [pairings[i] for i in family])
    verdicts = dict(zip(family, corrected(placed), strict=True))
    return [verdicts.get(i, pairing) for i, pairing in enumerate(pairings)]


def corrected(primary: Sequence[Pairing]) -> list[Pairing]:
    """The primary comparisons, a family, with p corrected for their looks and by Holm's method, and with the bound that
    p itself is held against. One that stands at no look gets neither, and counts with a p of 1."""
    of_looks = {
        i: adjusted(pairing.p, pairing.look.number, pairing.look.seeds, pairing.look.planned)
        if pairing.p is not None and pairing.look and pairing.look.number
        else None
        for i, pairing in enumerate(primary)
    }
    p = {i: 1.0 if each is None else each for i, each in of_looks.items()}
    by_holm = holm(p)
    steps = {i: len(p) - rank for rank, i in enumerate(sorted(p, key=lambda i: p[i]))}
    return [
        pairing
        if of_looks[i] is None or not pairing.look
        else pairing._replace(corrected=by_holm[i], bound=_bound(pairing.look, LEVEL / steps[i]))
        for i, pairing in enumerate(primary)
    ]


def seeds_of_the_last_look(sweep: Sweep) -> dict[str, int | None]:
    """The number of seeds that the last look is at, by setting with a primary comparison; None before its first look is
    complete."""
    against = str(sweep.design.method)
    others = [method for method in dict.fromkeys(run.method for run in sweep.runs) if method != against]
    looks = [(pairing.setting, pairing.look) for pairing in compare_methods(sweep, against, others) if pairing.look]
    incomplete = {setting for setting, look in looks if look.done < look.seeds[0]}
    return {setting: None if setting in incomplete else look.seeds[-1] for setting, look in looks}


def _cells(sweep: Sweep) -> dict[str, list[tuple[str, dict[str, Label]]]]:
    """(method, coordinates) of each cell, by setting."""
    cells: dict[str, list[tuple[str, dict[str, Label]]]] = {}
    for cell in sweep.cells:
        coordinates = cell.run.coordinates
        method = cell.run.method if isinstance(cell.run, Run) else str(coordinates.get(METHOD))
        cells.setdefault(setting_of(coordinates), []).append((method, coordinates))
    return cells


def _at_their_looks(sweep: Sweep, against: str, primary: Sequence[Pairing]) -> list[Pairing]:
    """The primary comparisons with the looks that they stand at, and the seeds that they need."""
    needed = [_seeds_needed(sweep, against, pairing, LEVEL / len(primary)) for pairing in primary]
    most: dict[str, int] = {}  # by setting: seeds are added for all methods of it
    for pairing, seeds in zip(primary, needed, strict=True):
        most[pairing.setting] = max(most.get(pairing.setting, 0), seeds or 0)
    return [
        pairing._replace(
            look=_look(sweep, against, pairing, most[pairing.setting]),
            needed=f"over {MOST_SEEDS}" if seeds and seeds > MOST_SEEDS else seeds,
        )
        for pairing, seeds in zip(primary, needed, strict=True)
    ]


def _seeds_needed(sweep: Sweep, against: str, pairing: Pairing, level: float) -> int | None:
    """By the spread at the first look; None before it, or where the design has no difference to detect."""
    design = sweep.design
    if design.detect is None:
        return None
    first = sweep.seeds[: design.looks[0]]
    if not set(first) <= set(finished_seeds(sweep.runs, pairing.setting, against, pairing.other)):
        return None
    found = pair_methods(sweep.runs, pairing.setting, against, pairing.other, first).found
    if not found or found.deviation is None or found.error is None:
        return None
    of_items = max(0.0, found.error**2 - found.deviation**2 / found.seeds)
    return seeds_needed(found.deviation, design.detect, level, of_items) or MOST_SEEDS + 1


def _look(sweep: Sweep, against: str, pairing: Pairing, needed: int) -> Look:
    """Where a comparison stands. Without declared looks, the one look is at all seeds of the sweep."""
    done = finished_seeds(sweep.runs, pairing.setting, against, pairing.other)
    planned = tuple(sweep.design.looks)
    if not planned:
        seeds = _listed_seeds(sweep, pairing.setting, against, pairing.other)
        whole = (len(seeds),)
        return Look(1 if set(done) >= set(seeds) else None, whole, whole, len(done))
    last = max(planned[-1], min(needed, len(sweep.seeds)))
    looks = (*planned[:-1], last)
    at = [i for i, seeds in enumerate(looks, start=1) if set(done) == set(sweep.seeds[:seeds])]
    return Look(at[0] if at else None, looks, planned, len(done))


def _listed_seeds(sweep: Sweep, setting: str, *methods: str) -> list[Label]:
    """The seeds that the sweep has for all these methods in a setting, whether their runs have begun or not."""
    seeds = [[c.get(SEED) for method, c in _cells(sweep)[setting] if method == wanted] for wanted in methods]
    return [seed for seed in seeds[0] if all(seed in others for others in seeds)]


def _bound(look: Look, level: float) -> float | None:
    return bounds(look.seeds, level, look.planned)[look.number - 1] if look.number else None

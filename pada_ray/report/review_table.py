"""What a person did to a run's synthetic samples, and how the person's ratings stand beside the judge's."""

from __future__ import annotations

from collections import Counter

from pada_ray.findings.agreement import agreement
from pada_ray.records import Candidate, Deed
from pada_ray.report.results import Run
from pada_ray.report.tables import Column, Table, Value
from pada_ray.runs import run_files

_DEEDS: dict[str, Deed] = {
    "edited": "edited by a person",
    "added": "added by a person",
    "accepted": "accepted by a person",
    "dropped": "dropped by a person",
}


def review_table(run: Run) -> Table:
    """A row for each iteration whose samples a person has reviewed, and one for all."""
    columns = [
        Column("iteration"),
        *(Column(deed, "count") for deed in _DEEDS),
        Column("rated by both", "count"),
        Column("person", "number"),
        Column("judge", "number"),
        Column("within 1 point, %", "number"),
        Column("kappa", "number", 2),
    ]
    reviewed = {i: found for i in range(1, len(run.models) + 1) if (found := _reviewed(run, i))}
    rows = [_row(run, str(i), candidates) for i, candidates in reviewed.items()]
    if rows:
        rows.append(_row(run, "all", [c for candidates in reviewed.values() for c in candidates]))
    notes = [
        "Samples that a person edited, added, accepted against the judge or dropped; then the mean ratings of those "
        "that both have rated, how many of these are at most 1 point apart, and Cohen's kappa of passing (at least "
        f"{run.config.quality_control.threshold:g}): 1 is full agreement, 0 what chance gives. The person saw the "
        "judge's ratings, so expect some agreement from that alone. Samples that the person edited do not count",
    ]
    return Table("review", "A person's review, beside the judge's", columns, rows, notes, has_total=True)


def _reviewed(run: Run, iteration: int) -> list[Candidate]:
    files = [run_files.reviewed(file(iteration)) for file in (run_files.accepted, run_files.rejected)]
    found = [c for f in files if run.folder.exists(f) for c in run.folder.read_records(f, Candidate)]
    return [candidate for candidate in found if candidate.person is not None]


def _row(run: Run, name: str, candidates: list[Candidate]) -> list[Value]:
    deeds = Counter(candidate.person.deed for candidate in candidates if candidate.person)
    found = agreement(candidates, run.config.quality_control.threshold)
    ratings: list[Value] = [None] * 5
    if found:
        ratings = [found.rated, found.person, found.judge, 100 * found.within_one, found.kappa]
    return [name, *(deeds[deed] for deed in _DEEDS.values()), *ratings]

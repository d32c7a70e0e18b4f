"""What a report says about a run's errors: categories, patterns, their outcomes, and the stability of clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pada_ray.errors import ConfigError
from pada_ray.findings.lineage import Lineage, PatternRow, read_lineage, table3
from pada_ray.findings.provenance import PatternOutcome, Remaining, Turnover, trace, turnover, what_is_left
from pada_ray.report.results import Run
from pada_ray.runs import run_files

if TYPE_CHECKING:
    from pada_ray.findings.stability import Stability

_NO_LINEAGE = Lineage(categories=[], bars=[])


class Evidence(NamedTuple):
    """`outcomes` and `turnovers` cover finished iterations only."""

    lineage: Lineage
    outcomes: list[PatternOutcome]
    left: list[Remaining]
    turnovers: list[Turnover]
    table3: list[PatternRow]
    stability: list[Stability]
    problem: str = ""
    """Why lineage and stability are empty although there are patterns."""


def read_evidence(run: Run) -> Evidence:
    """The evidence of a run. Without its embedding model, lineage and stability are empty."""
    from pada_ray.findings.stability import read_stability  # late, since it brings scikit-learn

    if not run.models:
        return Evidence(_NO_LINEAGE, [], [], [], [], [])
    problem = ""
    try:
        lineage, stability = read_lineage(run.folder), read_stability(run.folder)
    except ConfigError as e:
        lineage, stability, problem = _NO_LINEAGE, [], str(e)
    finished = [i for i in range(1, len(run.models)) if "val" in run.state.scores.get(run_files.model(i), {})]
    return Evidence(
        lineage=lineage,
        outcomes=[outcome for i in finished for outcome in trace(run.folder, i, lineage)],
        left=what_is_left(run.folder, lineage),
        turnovers=[turnover(run.folder, i) for i in finished],
        table3=table3(run.folder),
        stability=stability,
        problem=problem,
    )

"""The rows of a sweep's tables. A row stands for the runs of one method in one setting, one per seed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import mean
from typing import NamedTuple

from pada_ray.findings.statistics import interval
from pada_ray.methods import METHODS
from pada_ray.records import Split
from pada_ray.report.results import MissingRun, Run, Sweep, SweepCell, interval_over_items
from pada_ray.runs.axes import METHOD, setting_of
from pada_ray.runs.state import Score


class Group(NamedTuple):
    """The runs of one method in one setting, finished or not."""

    setting: str
    method: str
    runs: list[Run]
    planned: int
    """Cells of the sweep, including those that cannot be read."""

    @property
    def done(self) -> list[Run]:
        return [run for run in self.runs if run.final]

    @property
    def is_reference(self) -> bool:
        """Whether the method is no rival of the others, because it trains on val."""
        names = {run.config.method for run in self.runs} or {self.method}
        return any(METHODS[name].reference for name in names & METHODS.keys())

    @property
    def models(self) -> list[str]:
        """The models of the run with the most models."""
        return max((run.models for run in self.runs), key=len, default=[])

    @property
    def paper_setting(self) -> tuple[str, int] | None:
        """The paper's dataset and the regime of the runs; None on other data."""
        for run in self.runs:
            if run.dataset is not None and run.regime is not None:
                return run.dataset, run.regime
        return None

    def final_scores(self, split: Split) -> list[Score]:
        return [score for run in self.runs if (score := run.score(run.final, split))]

    def final_accuracy(self, split: Split) -> float | None:
        """The mean over the finished runs, in points."""
        return mean_of(100 * score.accuracy for score in self.final_scores(split))


class OverSeeds(NamedTuple):
    """An accuracy over seeds, in points. The interval is Student's over the seeds. With one seed there is no deviation,
    and the interval is Wilson's over the items."""

    seeds: int
    mean: float | None
    deviation: float | None
    interval: tuple[float, float] | None


def groups_of(sweep: Sweep) -> list[Group]:
    """The groups in the order of the sweep's cells, with the groups of a setting next to each other."""
    cells: dict[tuple[str, str], list[SweepCell]] = {}
    for cell in sweep.cells:
        cells.setdefault((setting_of(cell.run.coordinates), _method(cell.run)), []).append(cell)
    settings = list(dict.fromkeys(setting for setting, _ in cells))
    return [
        Group(setting, method, [c.run for c in members if isinstance(c.run, Run)], len(members))
        for (setting, method), members in sorted(cells.items(), key=lambda item: settings.index(item[0][0]))
    ]


def over_seeds(scores: Sequence[Score]) -> OverSeeds:
    """The accuracy over `scores`, one per seed."""
    if not scores:
        return OverSeeds(0, None, None, None)
    found = interval([100 * score.accuracy for score in scores])
    if found.low is None or found.high is None:
        return OverSeeds(1, found.mean, None, interval_over_items(scores[0]))
    return OverSeeds(len(scores), found.mean, found.deviation, (found.low, found.high))


def mean_of(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are known; None without any."""
    known = [value for value in values if value is not None]
    return mean(known) if known else None


def rounded(value: float | None) -> int | None:
    return None if value is None else round(value)


def _method(run: Run | MissingRun) -> str:
    return run.method if isinstance(run, Run) else str(run.coordinates.get(METHOD, "unknown"))

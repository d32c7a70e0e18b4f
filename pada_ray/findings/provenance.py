"""What an iteration did about each cluster of val failures, and which of them it fixed, from the files of a run."""

from __future__ import annotations

from pada_ray.errors import DataError
from pada_ray.findings.lineage import Category, Lineage, read_findings, read_lineage
from pada_ray.records import Candidate, Pattern, Prediction, Record, Strategy
from pada_ray.runs import run_files
from pada_ray.runs.configs import read_config
from pada_ray.storage import Folder


class Turnover(Record):
    """The val items that one iteration fixed and broke: the model before it compared with the model after it.

    This is the baseline for every PatternOutcome. Items are in a cluster because they failed, so some would be right
    after any retraining (regression to the mean). The effect of a strategy is a share of fixed items above
    `fixed_share`; the effect of the whole iteration is more items fixed than broken. The analysed failures are drawn
    at random. If a far larger share of them is fixed than of the others, the items themselves, not their kind, may
    have got into training. An unscored reply is neither fixed nor broken.
    """

    iteration: int
    failures: int  # of the model before
    fixed: int
    analysed: int  # failures in clusters
    analysed_fixed: int
    passes: int  # of the model before
    broken: int  # passes that fail with the model after

    @property
    def fixed_share(self) -> float | None:
        """None without failures."""
        return self.fixed / self.failures if self.failures else None


class PatternOutcome(Record):
    """What was done about a cluster of val failures, and the result. Compare it with the Turnover."""

    iteration: int
    cluster: int
    pattern: Pattern | None  # None where the categorization was unreadable
    strategy: Strategy | None  # None without a pattern, or where nothing was left after held-out text was cut out
    failures: list[str]  # analysed val items of the cluster; the model before fails on all of them
    fixed: list[str]  # those that the model after gets right
    accepted: list[str]  # ids of the synthetic samples made for the strategy
    rejected: int  # drafts turned down
    category: int | None  # in the lineage; None without a pattern
    estimate_before: float | None  # the category's estimated val failures
    estimate_after: (
        float | None
    )  # the same for the model after; None where its failures were not analysed, or where the
    # category merged into another one

    @property
    def fixed_share(self) -> float:
        return len(self.fixed) / len(self.failures)


class Remaining(Record):
    """A cluster of the last model's val failures. No strategy is drafted for it."""

    iteration: int  # one more than the last
    cluster: int
    pattern: Pattern | None  # None where the categorization was unreadable
    failures: list[str]  # analysed val items of the cluster
    estimate: float | None  # the category's estimated val failures; None without a pattern


def trace(folder: Folder, iteration: int, lineage: Lineage | None = None) -> list[PatternOutcome]:
    """The outcome of each cluster of an iteration, in the order of the clusters.

    `lineage` is the run's; it is computed if not given. Raises DataError when the iteration is not finished.
    """
    _, after = _val_before_and_after(folder, iteration)
    found = read_findings(folder, iteration)
    categories = {c.clusters.get(iteration): c for c in (lineage or read_lineage(folder)).categories}
    candidates = _candidates(folder, iteration)
    outcomes = []
    for cluster in sorted(set(found.clusters.values())):
        failures = found.members(cluster)
        strategy = found.strategy(cluster)
        made = [c for c in candidates if strategy and c.group == strategy.group]
        category = categories.get(cluster)
        outcomes.append(
            PatternOutcome(
                iteration=iteration,
                cluster=cluster,
                pattern=found.pattern(cluster),
                strategy=strategy,
                failures=failures,
                fixed=[i for i in failures if after[i].failed is False],
                accepted=[c.id for c in made if c.rejected is None],
                rejected=sum(c.rejected is not None for c in made),
                category=category.id if category else None,
                estimate_before=category.estimates[iteration] if category else None,
                estimate_after=_estimate_after(category, iteration) if category else None,
            )
        )
    return outcomes


def what_is_left(folder: Folder, lineage: Lineage) -> list[Remaining]:
    """The last model's clusters, in order; none where its failures were not analysed."""
    found = read_findings(folder, read_config(folder).iterations + 1)
    categories = {c.clusters.get(found.iteration): c for c in lineage.categories}
    return [
        Remaining(
            iteration=found.iteration,
            cluster=cluster,
            pattern=found.pattern(cluster),
            failures=found.members(cluster),
            estimate=categories[cluster].estimates[found.iteration] if cluster in categories else None,
        )
        for cluster in sorted(set(found.clusters.values()))
    ]


def _estimate_after(category: Category, iteration: int) -> float | None:
    merged = category.last == iteration and category.merged_into is not None
    return None if merged else category.estimates.get(iteration + 1)


def turnover(folder: Folder, iteration: int) -> Turnover:
    """The val items that an iteration fixed and broke. Raises DataError when the iteration is not finished."""
    before, after = _val_before_and_after(folder, iteration)
    failures = [i for i, p in before.items() if p.failed]
    fixed = [i for i in failures if after[i].failed is False]
    passes = [i for i, p in before.items() if p.failed is False]
    analysed = read_findings(folder, iteration).clusters
    return Turnover(
        iteration=iteration,
        failures=len(failures),
        fixed=len(fixed),
        analysed=len(analysed),
        analysed_fixed=sum(i in analysed for i in fixed),
        passes=len(passes),
        broken=sum(after[i].failed is True for i in passes),
    )


def _val_before_and_after(folder: Folder, iteration: int) -> tuple[dict[str, Prediction], dict[str, Prediction]]:
    if iteration < 1 or not folder.exists(run_files.predictions(run_files.model(iteration))):
        raise DataError(
            f"{folder.url}: iteration {iteration} is not finished; name a finished one, from 1 on (see `pada show`)"
        )
    return _val(folder, run_files.model(iteration - 1)), _val(folder, run_files.model(iteration))


def _val(folder: Folder, model: str) -> dict[str, Prediction]:
    predictions = folder.read_records(run_files.predictions(model), Prediction)
    return {p.id: p for p in predictions if p.split == "val"}


def _candidates(folder: Folder, iteration: int) -> list[Candidate]:
    files = [run_files.accepted(iteration), run_files.rejected(iteration)]
    return [c for file in files if folder.exists(file) for c in folder.read_records(file, Candidate)]

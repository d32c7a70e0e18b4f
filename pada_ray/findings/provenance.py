"""From a val failure to its cluster, pattern, strategy and synthetic samples, and to what became of it, and back.

Everything is read from the files of a run.
"""

from __future__ import annotations

from collections.abc import Sequence

from pada_ray.errors import DataError
from pada_ray.findings.lineage import Category, Findings, Lineage, read_all_findings, read_findings, read_lineage
from pada_ray.records import Candidate, Pattern, Prediction, Record, Sample, Strategy
from pada_ray.run import run_files
from pada_ray.run.configs import read_config
from pada_ray.storage import Folder


class Turnover(Record):
    """How the val items moved from the model that an iteration begins with to the one that it ends with.

    The baseline for every PatternOutcome: items are in a cluster because they failed, so that some would come right
    after any retraining (regression to the mean). A strategy shows in a share of fixed items above `fixed_share`, and
    the iteration as a whole in more items fixed than broken. The analysed failures are drawn at random, so a share
    well above that of the others hints that the items themselves, not their kind, found a way into training. A reply
    that stayed unscored is neither fixed nor broken.
    """

    iteration: int
    failures: int  # of the model before
    fixed: int
    analysed: int  # failures in clusters
    analysed_fixed: int
    passes: int  # of the model before
    broken: int  # passes that fail now

    @property
    def fixed_share(self) -> float | None:
        """None without failures."""
        return self.fixed / self.failures if self.failures else None


class PatternOutcome(Record):
    """What was done about a cluster of val failures, and what came of it: read it against the Turnover."""

    iteration: int
    cluster: int
    pattern: Pattern | None  # None where its categorization stayed unreadable
    strategy: Strategy | None  # None without pattern, or where nothing was left without held-out text
    failures: list[str]  # analysed val items of the cluster; the model before fails on all of them
    fixed: list[str]  # those that the model after gets right
    accepted: list[str]  # ids of the synthetic samples made for the strategy
    rejected: int  # drafts turned down
    category: int | None  # in the lineage; None without pattern
    kind_before: float | None  # the category's estimated val failures
    kind_after: float | None  # the same for the model after; None where nobody counted: its failures were not
    # analysed, or the category went into another one

    @property
    def fixed_share(self) -> float:
        return len(self.fixed) / len(self.failures)


class Remaining(Record):
    """A cluster of the last model's val failures, which no strategy is drafted for."""

    iteration: int  # the one that would begin with it
    cluster: int
    pattern: Pattern | None  # None where its categorization stayed unreadable
    failures: list[str]  # analysed val items of the cluster
    kind: float | None  # the category's estimated val failures; None without pattern


class ValStep(Record):
    """A val item under one model."""

    model: str
    failed: bool | None  # None is unscored
    reply: str
    cluster: int | None  # None where the item passed or its failure was not analysed
    pattern: Pattern | None


class ValTrace(Record):
    id: str
    steps: list[ValStep]  # base, iteration-0, ...


class SyntheticTrace(Record):
    """Where a synthetic sample, accepted or not, comes from."""

    iteration: int
    candidate: Candidate
    seed: Sample
    strategy: Strategy | None  # None, as the next two are empty, where no pattern stands behind it
    pattern: Pattern | None
    val_failures: list[str]  # the val items that the pattern was found in


def trace(folder: Folder, iteration: int, lineage: Lineage | None = None) -> list[PatternOutcome]:
    """The outcome of each cluster of an iteration, in the order of the clusters.

    `lineage` is the run's, worked out here if not given. Raises DataError when the iteration is not finished.
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
                kind_before=category.estimates[iteration] if category else None,
                kind_after=_kind_after(category, iteration) if category else None,
            )
        )
    return outcomes


def what_is_left(folder: Folder, lineage: Lineage) -> list[Remaining]:
    """The last model's clusters in their order; none where its failures were not analysed."""
    found = read_findings(folder, read_config(folder).iterations + 1)
    categories = {c.clusters.get(found.iteration): c for c in lineage.categories}
    return [
        Remaining(
            iteration=found.iteration,
            cluster=cluster,
            pattern=found.pattern(cluster),
            failures=found.members(cluster),
            kind=categories[cluster].estimates[found.iteration] if cluster in categories else None,
        )
        for cluster in sorted(set(found.clusters.values()))
    ]


def _kind_after(category: Category, iteration: int) -> float | None:
    merged = category.last == iteration and category.merged_into is not None
    return None if merged else category.estimates.get(iteration + 1)


def turnover(folder: Folder, iteration: int) -> Turnover:
    """Raises DataError when the iteration is not finished."""
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


def trace_sample(folder: Folder, sample_id: str) -> ValTrace | SyntheticTrace:
    """A val item through all models, or a synthetic sample back to what it was made from.

    Raises DataError when the run has neither of this id.
    """
    found = read_all_findings(folder)
    steps = _val_steps(folder, sample_id, found)
    if steps:
        return ValTrace(id=sample_id, steps=steps)
    for findings in found:
        for candidate in _candidates(folder, findings.iteration):
            if candidate.id == sample_id:
                return _origin(folder, candidate, findings)
    raise DataError(f"{folder.url}: no val item and no synthetic sample is called {sample_id!r}; see data/val.jsonl")


def _val_steps(folder: Folder, sample_id: str, found: Sequence[Findings]) -> list[ValStep]:
    """One for each model; none when this is no val item."""
    analysed_by: dict[str, Findings] = {run_files.model(f.iteration - 1): f for f in found}
    steps = []
    for model in [run_files.BASE, *analysed_by]:
        prediction = _val(folder, model).get(sample_id)
        if prediction is None:
            return []
        findings = analysed_by.get(model)
        cluster = findings.clusters.get(sample_id) if findings else None
        steps.append(
            ValStep(
                model=model,
                failed=prediction.failed,
                reply=prediction.reply,
                cluster=cluster,
                pattern=findings.pattern(cluster) if findings else None,
            )
        )
    return steps


def _origin(folder: Folder, candidate: Candidate, found: Findings) -> SyntheticTrace:
    train = folder.read_records(run_files.split("train"), Sample)
    strategy = next((s for s in found.strategies if s.group == candidate.group), None)
    return SyntheticTrace(
        iteration=found.iteration,
        candidate=candidate,
        seed=next(s for s in train if s.id == candidate.seed_id),
        strategy=strategy,
        pattern=found.pattern(strategy.cluster) if strategy else None,
        val_failures=found.members(strategy.cluster) if strategy else [],
    )


def _val_before_and_after(folder: Folder, iteration: int) -> tuple[dict[str, Prediction], dict[str, Prediction]]:
    if iteration < 1 or not folder.exists(run_files.predictions(run_files.model(iteration))):
        raise DataError(
            f"{folder.url}: iteration {iteration} is not finished; name one from 1 that is, see `pada show`"
        )
    return _val(folder, run_files.model(iteration - 1)), _val(folder, run_files.model(iteration))


def _val(folder: Folder, model: str) -> dict[str, Prediction]:
    predictions = folder.read_records(run_files.predictions(model), Prediction)
    return {p.id: p for p in predictions if p.split == "val"}


def _candidates(folder: Folder, iteration: int) -> list[Candidate]:
    files = [run_files.accepted(iteration), run_files.rejected(iteration)]
    return [c for file in files if folder.exists(file) for c in folder.read_records(file, Candidate)]

"""Error categories over the iterations (figure 8) and their strategies (table 3 of appendix D), from a run's files.

Every iteration finds its patterns anew and words them anew; matching them lets a category keep its identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.preprocessing import normalize

from pada_ray.agents.clustering import embed
from pada_ray.records import Analysis, Pattern, Record, Strategy
from pada_ray.run import run_files
from pada_ray.run.configs import read_config
from pada_ray.run.state import read_state
from pada_ray.storage import Folder

Vectors = np.ndarray[Any, Any]


class Findings(NamedTuple):
    """What pattern analysis found in one iteration; empty where it is off, or has not come so far."""

    iteration: int
    analyses: list[Analysis]
    clusters: dict[str, int]  # by val sample id
    patterns: list[Pattern]
    strategies: list[Strategy]

    def members(self, cluster: int) -> list[str]:
        """The val sample ids of a cluster."""
        return [sample_id for sample_id, k in self.clusters.items() if k == cluster]

    def pattern(self, cluster: int | None) -> Pattern | None:
        """None where its categorization stayed unreadable."""
        return next((p for p in self.patterns if p.cluster == cluster), None)

    def strategy(self, cluster: int | None) -> Strategy | None:
        """None without pattern, or where nothing was left of it without held-out text."""
        return next((s for s in self.strategies if s.cluster == cluster), None)


class Category(Record):
    """An error category, followed through the iterations."""

    id: int  # counted from 0 in the order of appearance
    name: str  # what its first pattern is called
    clusters: dict[int, int]  # the cluster that it is, by iteration
    sizes: dict[int, int]  # analysed failures in it, by iteration with patterns or failures; 0 where it is absent
    estimates: dict[int, float]  # the same, scaled to all val failures
    first: int
    last: int
    split_from: int | None  # the category that it resembles too, but that went on as another pattern
    merged_into: int | None  # the category that took in what it was about


class Bar(Record):
    """One bar of figure 8: the val failures of the model that `iteration` begins with."""

    iteration: int
    model: str
    failures: int
    analysed: int  # those in clusters

    @property
    def scale(self) -> float:
        """Val failures for each analysed one."""
        return self.failures / self.analysed if self.analysed else 0.0


class Lineage(Record):
    """Figure 8: `bars` gives the heights, the `estimates` of `categories` their parts.

    At most `pattern_analysis.max_failures` failures are analysed. They are drawn uniformly, so a category's share of
    the analysed failures estimates its share of all: estimate = size / analysed * failures. The parts fall short of
    the height by the clusters that got no pattern.
    """

    categories: list[Category]
    bars: list[Bar]
    threshold: float | None = None  # cosine from which patterns count as one category; None without patterns


class Table3Row(Record):
    """A pattern with its strategy, as in table 3."""

    iteration: int
    cluster: int
    size: int  # analysed failures
    category_name: str
    error_pattern: str
    strategy_name: str | None  # None where no strategy came of the pattern
    generation_approach: str | None


def read_findings(folder: Folder, iteration: int) -> Findings:
    """What the files of one iteration, counted from 1, hold."""

    def loaded(path: str) -> Any:
        return folder.read_yaml(path) if folder.exists(path) else None

    analyses = run_files.analyses(iteration)
    return Findings(
        iteration=iteration,
        analyses=folder.read_records(analyses, Analysis) if folder.exists(analyses) else [],
        clusters=loaded(run_files.clusters(iteration)) or {},
        patterns=[Pattern.model_validate(p) for p in loaded(run_files.patterns(iteration)) or []],
        strategies=[Strategy.model_validate(s) for s in loaded(run_files.strategies(iteration)) or []],
    )


def read_all_findings(folder: Folder) -> list[Findings]:
    """What was found in the failures of each model that has been evaluated, in order from iteration 1."""
    state = read_state(folder)
    evaluated = sum(name != run_files.BASE for name in state.scores)
    return [read_findings(folder, i) for i in range(1, evaluated + 1)]


def read_lineage(folder: Folder) -> Lineage:
    """The categories of all iterations, matched over the config's embedding.

    A new iteration's patterns are assigned to the categories so far, each standing as its latest pattern, so that
    one which a subsample missed can come back. Raises ConfigError when the embedding model cannot be loaded.
    """
    config = read_config(folder)
    scores = read_state(folder).scores
    all_found = read_all_findings(folder)
    bars = [
        Bar(
            iteration=f.iteration,
            model=run_files.model(f.iteration - 1),
            failures=scores[run_files.model(f.iteration - 1)]["val"].failures,
            analysed=len(f.clusters),
        )
        for f in all_found
    ]
    found = [f for f in all_found if f.patterns]
    if not found:
        return Lineage(categories=[], bars=bars)
    documents = _documents(found, config.pattern_analysis.embedding, config.seed)
    vectors = [np.array([_centre(rows) for rows in patterns]) for patterns in documents]
    threshold = same_from(documents)
    labels = follow(vectors, threshold)
    # Where failures were analysed and no pattern came of it, nobody knows which categories were there.
    told = {f.iteration for f in found}
    scales = {bar.iteration: bar.scale for bar in bars if bar.iteration in told or not bar.failures}
    count = 1 + max(label for row in labels for label in row)
    categories = [_category(i, found, vectors, labels, threshold, scales) for i in range(count)]
    return Lineage(categories=categories, bars=bars, threshold=threshold)


def table3(folder: Folder) -> list[Table3Row]:
    """The patterns and strategies of the first and of the last iteration that has patterns. What the last model still
    gets wrong has no strategies."""
    iterations = read_config(folder).iterations
    found = [f for f in read_all_findings(folder)[:iterations] if f.patterns]
    ends = found if len(found) < 2 else [found[0], found[-1]]
    return [_row(f, pattern) for f in ends for pattern in f.patterns]


def same_from(documents: Sequence[Sequence[Vectors]]) -> float:
    """The cosine from which two patterns count as one category: halfway between "different" and "the same" as they
    look in this embedding and on this data, because a sentence model gives any two texts a higher cosine than TF-IDF.

    Different are, by construction, the patterns of one iteration; the same are two halves of one cluster. `documents`:
    for each pattern of each iteration rows [texts, dimensions].
    """
    different: list[float] = []
    same: list[float] = []
    for patterns in documents:
        centres = np.array([_centre(rows) for rows in patterns])
        different += (centres @ centres.T)[np.triu_indices(len(centres), k=1)].tolist()
        same += [float(_centre(rows[::2]) @ _centre(rows[1::2])) for rows in patterns]
    return float((np.mean(different or [0.0]) + np.mean(same)) / 2)


def follow(vectors: Sequence[Vectors], threshold: float) -> list[list[int]]:
    """The category of each pattern, iteration by iteration.

    `vectors`: for each iteration unit rows [patterns, dimensions].
    """
    latest: list[Vectors] = []  # by category
    labels = []
    for patterns in vectors:
        known = _assign(np.array(latest), patterns, threshold) if latest else {}
        row = [known.get(i, -1) for i in range(len(patterns))]
        for i, vector in enumerate(patterns):
            if row[i] < 0:
                row[i] = len(latest)
                latest.append(vector)
            else:
                latest[row[i]] = vector
        labels.append(row)
    return labels


def _assign(known: Vectors, new: Vectors, threshold: float) -> dict[int, int]:
    """For the rows of `new` that have one, their row of `known`: no row twice, the sum of cosines at its largest."""
    cosines = known @ new.T
    cosines[cosines < threshold] = 0  # what does not count must not sway the rest
    pairs = zip(*linear_sum_assignment(cosines, maximize=True), strict=True)
    return {int(j): int(i) for i, j in pairs if cosines[i, j] > 0}


def _documents(found: Sequence[Findings], embedding: str, seed: int) -> list[list[Vectors]]:
    """What stands for each pattern: its cluster's analyses with its own text as one more, embedded.

    A pattern's text is one wording out of many; the analyses say again and again what the category is about, and are
    what was clustered. In a small cluster, whose mean is uncertain, the text weighs more. All iterations are embedded
    together, because the dimensions of TF-IDF depend on the texts.
    """
    texts = [
        [
            *(a.text for a in f.analyses if f.clusters[a.sample_id] == pattern.cluster),
            f"{pattern.category_name}: {pattern.error_pattern}",
        ]
        for f in found
        for pattern in f.patterns
    ]
    rows = iter(embed([text for group in texts for text in group], embedding, seed))
    documents = iter([np.array(list(islice(rows, len(group)))) for group in texts])
    return [list(islice(documents, len(f.patterns))) for f in found]


def _centre(rows: Vectors) -> Vectors:
    """The direction of the mean, at unit length."""
    return normalize(rows.mean(axis=0, keepdims=True))[0]


def _category(
    label: int,
    found: Sequence[Findings],
    vectors: Sequence[Vectors],
    labels: Sequence[list[int]],
    threshold: float,
    scales: dict[int, float],
) -> Category:
    at = {n: row.index(label) for n, row in enumerate(labels) if label in row}
    patterns = {found[n].iteration: found[n].patterns[i] for n, i in at.items()}
    sizes = {i: patterns[i].size if i in patterns else 0 for i in scales}
    first, last = min(at), max(at)

    def resembles(n: int, neighbour: int) -> int | None:
        if not 0 <= neighbour < len(found):
            return None
        cosines = vectors[neighbour] @ vectors[n][at[n]]
        return labels[neighbour][int(cosines.argmax())] if cosines.max() >= threshold else None

    return Category(
        id=label,
        name=found[first].patterns[at[first]].category_name,
        clusters={i: p.cluster for i, p in patterns.items()},
        sizes=sizes,
        estimates={i: size * scales[i] for i, size in sizes.items()},
        first=found[first].iteration,
        last=found[last].iteration,
        split_from=resembles(first, first - 1),
        merged_into=resembles(last, last + 1),
    )


def _row(found: Findings, pattern: Pattern) -> Table3Row:
    strategy = found.strategy(pattern.cluster)
    return Table3Row(
        iteration=found.iteration,
        cluster=pattern.cluster,
        size=pattern.size,
        category_name=pattern.category_name,
        error_pattern=pattern.error_pattern,
        strategy_name=strategy.strategy_name if strategy else None,
        generation_approach=strategy.generation_approach if strategy else None,
    )

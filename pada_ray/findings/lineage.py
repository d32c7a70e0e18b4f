"""Error categories over the iterations (figure 8), and patterns with their strategies (table 3 of appendix D), from a
run's files.

Every iteration finds and words its patterns anew. Matching the patterns of all iterations gives the categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from pada_ray.records import Analysis, Pattern, Record, Strategy
from pada_ray.runs import run_files
from pada_ray.runs.configs import read_config
from pada_ray.runs.state import read_state
from pada_ray.storage import Folder

# scipy and scikit-learn take seconds to load, which `pada show` need not wait for: the functions that use them load
# them.

Vectors = np.ndarray[Any, Any]


class Findings(NamedTuple):
    """What pattern analysis found in one iteration. A step that is off or not yet done leaves its part empty."""

    iteration: int
    analyses: list[Analysis]
    clusters: dict[str, int]  # by val sample id
    patterns: list[Pattern]
    strategies: list[Strategy]

    def members(self, cluster: int) -> list[str]:
        """The val sample ids of a cluster."""
        return [sample_id for sample_id, k in self.clusters.items() if k == cluster]

    def pattern(self, cluster: int | None) -> Pattern | None:
        """None where the categorization was unreadable."""
        return next((p for p in self.patterns if p.cluster == cluster), None)

    def strategy(self, cluster: int | None) -> Strategy | None:
        """None without a pattern, or where nothing was left after held-out text was cut out."""
        return next((s for s in self.strategies if s.cluster == cluster), None)


class Category(Record):
    """An error category over the iterations."""

    id: int  # from 0, in order of appearance
    name: str  # the name of its first pattern
    clusters: dict[int, int]  # its cluster, by iteration
    sizes: dict[int, int]  # its analysed failures, by iteration with patterns or without failures; 0 where absent
    estimates: dict[int, float]  # the same, scaled to all val failures
    first: int
    last: int
    split_from: int | None  # the category, one iteration earlier, that its first pattern resembles
    merged_into: int | None  # the category, one iteration later, that its last pattern resembles


class Bar(Record):
    """One bar of figure 8: the val failures of the model that `iteration` starts from."""

    iteration: int
    model: str
    failures: int
    analysed: int  # those in clusters

    @property
    def scale(self) -> float:
        """Val failures per analysed failure."""
        return self.failures / self.analysed if self.analysed else 0.0


class Lineage(Record):
    """Figure 8: `bars` gives the heights, the `estimates` of `categories` their parts.

    At most `pattern_analysis.max_failures` failures are analysed, drawn uniformly. A category's share of them
    estimates its share of all failures: estimate = size / analysed * failures. Clusters without a pattern belong to no
    category, so the parts may add up to less than the height.
    """

    categories: list[Category]
    bars: list[Bar]
    threshold: float | None = None  # patterns at least this similar (cosine) are one category; None without patterns


class PatternRow(Record):
    """A pattern with its strategy, as in table 3."""

    iteration: int
    cluster: int
    size: int  # analysed failures
    category_name: str
    error_pattern: str
    strategy_name: str | None  # None where no strategy was drafted for the pattern
    generation_approach: str | None


def read_findings(folder: Folder, iteration: int) -> Findings:
    """The findings of one iteration, counted from 1."""

    def loaded(path: str) -> Any:
        return folder.read_yaml(path) if folder.exists(path) else None

    analyses = run_files.analyses(iteration)
    strategies = run_files.in_force(folder, run_files.strategies(iteration))
    return Findings(
        iteration=iteration,
        analyses=folder.read_records(analyses, Analysis) if folder.exists(analyses) else [],
        clusters=loaded(run_files.clusters(iteration)) or {},
        patterns=[Pattern.model_validate(p) for p in loaded(run_files.patterns(iteration)) or []],
        strategies=[Strategy.model_validate(s) for s in loaded(strategies) or []],
    )


def read_all_findings(folder: Folder) -> list[Findings]:
    """The findings in the failures of each tuned model that has been evaluated, in order from iteration 1."""
    state = read_state(folder)
    evaluated = sum(name != run_files.BASE and "val" in scores for name, scores in state.scores.items())
    return [read_findings(folder, i) for i in range(1, evaluated + 1)]


def read_lineage(folder: Folder) -> Lineage:
    """The categories of all iterations, matched in the config's embedding.

    The patterns of each iteration are matched with the latest pattern of every category so far. So a category that one
    subsample of failures missed can come back. Raises ConfigError when the embedding model cannot be loaded.
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
    threshold = category_threshold(documents)
    labels = follow(vectors, threshold)
    # An iteration with failures but without patterns says nothing about the categories.
    with_patterns = {f.iteration for f in found}
    scales = {bar.iteration: bar.scale for bar in bars if bar.iteration in with_patterns or not bar.failures}
    count = 1 + max(label for row in labels for label in row)
    categories = [_category(i, found, vectors, labels, threshold, scales) for i in range(count)]
    return Lineage(categories=categories, bars=bars, threshold=threshold)


def table3(folder: Folder) -> list[PatternRow]:
    """The patterns and strategies of the first and the last iteration that has patterns. The failures of the last
    model are left out, because no strategies are drafted for them."""
    iterations = read_config(folder).iterations
    found = [f for f in read_all_findings(folder)[:iterations] if f.patterns]
    ends = found if len(found) < 2 else [found[0], found[-1]]
    return [row for f in ends for row in pattern_rows(f)]


def pattern_rows(found: Findings) -> list[PatternRow]:
    """The patterns of one iteration, each with its strategy."""
    return [_row(found, pattern) for pattern in found.patterns]


def category_threshold(documents: Sequence[Sequence[Vectors]]) -> float:
    """The cosine from which two patterns count as one category: halfway between the mean cosine of different patterns
    and that of equal ones. It is measured on the run's own texts, because a sentence model gives any two texts a
    higher cosine than TF-IDF does.

    Two patterns of one iteration are different; two halves of one cluster are equal. `documents`: for each pattern of
    each iteration, the embedded texts [texts, dimensions].
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

    `vectors`: for each iteration, unit rows [patterns, dimensions].
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
    """Pairs rows of `new` with rows of `known` one to one, so that the sum of cosines is largest. Returns the row of
    `known` for each row of `new` that has a partner."""
    from scipy.optimize import linear_sum_assignment

    cosines = known @ new.T
    cosines[cosines < threshold] = 0  # pairs below the threshold must not affect the others
    pairs = zip(*linear_sum_assignment(cosines, maximize=True), strict=True)
    return {int(j): int(i) for i, j in pairs if cosines[i, j] > 0}


def _documents(found: Sequence[Findings], embedding: str, seed: int) -> list[list[Vectors]]:
    """The embedded texts of each pattern: the analyses of its cluster, and its own text.

    The pattern's text is one wording of many; the analyses are what was clustered. In a small cluster, whose mean is
    uncertain, the pattern's text weighs more. All iterations are embedded together, because the dimensions of TF-IDF
    depend on the texts.
    """
    from pada_ray.agents.embedding import embed

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
    """The mean, scaled to unit length."""
    from sklearn.preprocessing import normalize

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


def _row(found: Findings, pattern: Pattern) -> PatternRow:
    strategy = found.strategy(pattern.cluster)
    return PatternRow(
        iteration=found.iteration,
        cluster=pattern.cluster,
        size=pattern.size,
        category_name=pattern.category_name,
        error_pattern=pattern.error_pattern,
        strategy_name=strategy.strategy_name if strategy else None,
        generation_approach=strategy.generation_approach if strategy else None,
    )

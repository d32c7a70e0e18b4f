"""Do the data support the clusters? The same analyses are clustered again, from a run's files, without any LLM call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_rand_score, silhouette_score
from threadpoolctl import threadpool_limits

from pada_ray.agents.clustering import cluster_vectors, embed
from pada_ray.config import PatternAnalysisConfig
from pada_ray.findings.lineage import read_all_findings
from pada_ray.randomness import generator_for, number_for
from pada_ray.records import Record
from pada_ray.run.configs import read_config
from pada_ray.storage import Folder

Vectors = np.ndarray[Any, Any]

REPEATS = 10  # of each kind; single ARIs vary by 0.2 at most, so the mean is known to 0.06
SUBSAMPLE = 0.8  # without repetition, because equal points would make clusters of their own

# Below it, agreement counts as poor (Steinley 2004, Properties of the Hubert-Arabie adjusted Rand index).
MIN_ARI = 0.65
# Fifty unrelated questions of GSM8K, SQuAD, ARC or HellaSwag reach 0.03 to 0.11, with TF-IDF as with MiniLM; fifty
# analyses written around three to six causes reach 0.20 to 0.44.
MIN_SILHOUETTE = 0.12


class Stability(Record):
    """How well the clusters of one iteration come out again.

    The mean adjusted Rand index with the run's own clusters: 1 is the same partition, 0 what chance would give. K is
    chosen anew each time, so that a K that the data do not call for shows too.
    """

    iteration: int
    analyses: int
    clusters: int
    ari_over_seeds: float
    ari_over_subsamples: float
    chosen: dict[int, int]  # how many of the subsamples were best split into so many clusters
    silhouette: float | None  # mean over the analyses, -1 to 1; None where each or none stands alone
    warning: str | None  # one line, where the clusters are not to be relied on


def read_stability(folder: Folder) -> list[Stability]:
    """For each iteration that clustered analyses. Raises ConfigError when the embedding model cannot be loaded."""
    config = read_config(folder)
    settings = config.pattern_analysis
    stabilities = []
    for found in read_all_findings(folder):
        if found.clusters:
            vectors = embed([a.text for a in found.analyses], settings.embedding, config.seed)
            labels = [found.clusters[a.sample_id] for a in found.analyses]
            stabilities.append(assess(found.iteration, vectors, labels, settings, config.seed))
    return stabilities


def assess(
    iteration: int, vectors: Vectors, labels: Sequence[int], settings: PatternAnalysisConfig, seed: int
) -> Stability:
    """The stability of `labels`, one for each row of `vectors`."""

    def agreement(rows: list[int], name: str, repeat: int) -> tuple[float, int]:
        chance = number_for(seed, "stability", iteration, name, repeat) % 2**31
        again = cluster_vectors(vectors[rows], settings.min_clusters, settings.max_clusters, chance)
        return float(adjusted_rand_score([labels[i] for i in rows], again)), len(set(again))

    everything = list(range(len(labels)))
    size = max(1, round(SUBSAMPLE * len(labels)))
    draws = generator_for(seed, "stability", iteration)
    # Threads that wait for each other cost k-means more than they save on so few rows.
    with threadpool_limits(1):
        seeds = [agreement(everything, "seed", n) for n in range(REPEATS)]
        subsamples = [agreement(sorted(draws.sample(everything, size)), "subsample", n) for n in range(REPEATS)]
    clusters = len(set(labels))
    over_seeds, over_subsamples = (float(np.mean([ari for ari, _ in each])) for each in (seeds, subsamples))
    silhouette = float(silhouette_score(vectors, labels)) if 1 < clusters < len(labels) else None
    return Stability(
        iteration=iteration,
        analyses=len(labels),
        clusters=clusters,
        ari_over_seeds=over_seeds,
        ari_over_subsamples=over_subsamples,
        chosen=dict(sorted(Counter(k for _, k in subsamples).items())),
        silhouette=silhouette,
        warning=_warning(iteration, len(labels), clusters, over_seeds, over_subsamples, silhouette),
    )


def _warning(
    iteration: int, analyses: int, clusters: int, over_seeds: float, over_subsamples: float, silhouette: float | None
) -> str | None:
    reasons = []
    if 1 < clusters == analyses:
        reasons.append("each analysis is a cluster of its own")
    if over_seeds < MIN_ARI:
        reasons.append(f"other seeds give other clusters (mean ARI {over_seeds:.2f}, below {MIN_ARI})")
    if over_subsamples < MIN_ARI:
        reasons.append(f"without a fifth of the analyses they differ (mean ARI {over_subsamples:.2f}, below {MIN_ARI})")
    if silhouette is not None and silhouette < MIN_SILHOUETTE:
        reasons.append(f"they hardly stand apart (silhouette {silhouette:.2f}, below {MIN_SILHOUETTE})")
    if not reasons:
        return None
    return (
        f"iteration {iteration}: the data do not support {clusters} clusters: {'; '.join(reasons)}; take the patterns "
        "with caution, raise pattern_analysis.max_failures or lower max_clusters"
    )

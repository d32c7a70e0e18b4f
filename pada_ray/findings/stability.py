"""How stable the clusters of a run are: the same analyses are clustered again, from its files, without LLM calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_rand_score, silhouette_score
from threadpoolctl import threadpool_limits

from pada_ray.agents.clustering import cluster_vectors
from pada_ray.agents.embedding import embed
from pada_ray.config import PatternAnalysisConfig
from pada_ray.findings.lineage import read_all_findings
from pada_ray.randomness import generator_for, number_for
from pada_ray.records import Record
from pada_ray.runs.configs import read_config
from pada_ray.storage import Folder

Vectors = np.ndarray[Any, Any]

REPEATS = 10  # of each kind; single ARIs vary by 0.2 at most, so the mean is known to 0.06
SUBSAMPLE = 0.8  # drawn without replacement, because equal points would form clusters of their own

# Agreement below this is poor (Steinley 2004, Properties of the Hubert-Arabie adjusted Rand index).
MIN_ARI = 0.65
# Fifty unrelated questions of GSM8K, SQuAD, ARC or HellaSwag reach 0.03 to 0.11 with TF-IDF and with MiniLM. Fifty
# analyses written around three to six causes reach 0.20 to 0.44.
MIN_SILHOUETTE = 0.12


class Stability(Record):
    """How well the clusters of one iteration are reproduced.

    Each `ari` is the mean adjusted Rand index between the run's clusters and the new ones: 1 for equal clusters, 0 for
    chance. K is chosen anew each time, which also shows whether the data support the run's K.
    """

    iteration: int
    analyses: int
    clusters: int
    ari_over_seeds: float
    ari_over_subsamples: float
    chosen: dict[int, int]  # K -> number of subsamples for which it was chosen
    silhouette: float | None  # mean over the analyses, -1 to 1; None with one cluster, or one per analysis
    warning: str | None  # one line, where the clusters are not reliable


def read_stability(folder: Folder) -> list[Stability]:
    """The stability of each iteration's clusters. Raises ConfigError when the embedding model cannot be loaded."""
    config = read_config(folder)
    settings = config.pattern_analysis
    stabilities = []
    for found in read_all_findings(folder):
        if found.clusters:
            vectors = embed([a.text for a in found.analyses], settings.embedding, config.seed)
            labels = [found.clusters[a.sample_id] for a in found.analyses]
            confused = [a.confusion for a in found.analyses]
            stabilities.append(assess(found.iteration, vectors, labels, settings, config.seed, confused))
    return stabilities


def assess(
    iteration: int,
    vectors: Vectors,
    labels: Sequence[int],
    settings: PatternAnalysisConfig,
    seed: int,
    together: Sequence[str | None] | None = None,
) -> Stability:
    """The stability of `labels`, one for each row of `vectors`. What stays `together` does so in every try."""

    def agreement(rows: list[int], name: str, repeat: int) -> tuple[float, int]:
        chance = number_for(seed, "stability", iteration, name, repeat) % 2**31
        confused = [together[row] for row in rows] if together else None
        again = cluster_vectors(vectors[rows], settings.min_clusters, settings.max_clusters, chance, confused)
        return float(adjusted_rand_score([labels[i] for i in rows], again)), len(set(again))

    everything = list(range(len(labels)))
    size = max(1, round(SUBSAMPLE * len(labels)))
    draws = generator_for(seed, "stability", iteration)
    # On so few rows, waiting for each other costs threads of k-means more time than they save.
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
        reasons.append(
            f"without a fifth of the analyses, the clusters differ (mean ARI {over_subsamples:.2f}, below {MIN_ARI})"
        )
    if silhouette is not None and silhouette < MIN_SILHOUETTE:
        reasons.append(f"the clusters overlap (silhouette {silhouette:.2f}, below {MIN_SILHOUETTE})")
    if not reasons:
        return None
    return (
        f"iteration {iteration}: the data do not support {clusters} clusters: {'; '.join(reasons)}; trust the patterns "
        "less, raise pattern_analysis.max_failures, or lower pattern_analysis.max_clusters"
    )

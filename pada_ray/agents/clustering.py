"""Cluster the analyses: embeddings, k-means, and K by the elbow (equation 2, appendix A.2.1)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from kneed import KneeLocator
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from pada_ray.agents.embedding import embed


def cluster(
    texts: Sequence[str],
    embedding: str,
    min_clusters: int,
    max_clusters: int,
    seed: int,
    together: Sequence[str | None] | None = None,
) -> list[int]:
    """A cluster number for each text, counted from 0 by falling size.

    `embedding` is `tfidf` or a sentence-transformers model. Texts with the same value in `together`, None aside, stay
    in one cluster. With fewer distinct texts than `min_clusters` every distinct text is its own cluster. Raises
    ConfigError when the embedding model cannot be loaded.
    """
    if not texts:
        return []
    return cluster_vectors(embed(texts, embedding, seed), min_clusters, max_clusters, seed, together)


def cluster_vectors(
    vectors: np.ndarray[Any, Any],
    min_clusters: int,
    max_clusters: int,
    seed: int,
    together: Sequence[str | None] | None = None,
) -> list[int]:
    """As `cluster`, for texts that are embedded already: one row each, at least one."""
    unit_of = _units(together or [None] * len(vectors))
    sizes = np.bincount(unit_of)
    # What stays together is placed by its mean, with the weight of all its texts.
    units = np.array([vectors[unit_of == unit].mean(axis=0) for unit in range(len(sizes))])
    distinct = len(np.unique(units.round(6), axis=0))
    fewest, most = min(min_clusters, distinct), min(max_clusters, distinct)
    # The curve starts one cluster early: a bend at the fewest allowed shows only against what lies before it.
    with threadpool_limits(1):  # on so few points threads cost more than they give
        fits = {
            k: KMeans(n_clusters=k, n_init=10, random_state=seed).fit(units, sample_weight=sizes)
            for k in range(max(1, fewest - 1), most + 1)
        }
    nothing_left = dict.fromkeys(range(distinct, max_clusters + 1), 0.0)  # every distinct text its own cluster
    best = elbow({k: float(fit.inertia_) for k, fit in fits.items()} | nothing_left)
    return _by_size(fits[min(max(best, fewest), most)].labels_[unit_of].tolist())


def _units(together: Sequence[str | None]) -> np.ndarray[Any, Any]:
    """For each text the number of its unit: texts with an equal name are one, any other is its own."""
    names = [name if name is not None else i for i, name in enumerate(together)]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names])


def elbow(inertia: dict[int, float]) -> int:
    """The K at which the within-cluster sum of squares bends (Kneedle); the smallest K when nothing bends."""
    ks = sorted(inertia)
    if len(ks) < 3:
        return ks[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # kneed warns when there is no knee
        # Sensitivity 0 takes the point farthest below the chord: the curve has nine points at most, too few for a
        # higher one to tell a bend from noise.
        knee = KneeLocator(ks, [inertia[k] for k in ks], S=0, curve="convex", direction="decreasing").knee
    return int(knee) if knee is not None else ks[0]


def _by_size(labels: list[int]) -> list[int]:
    order = sorted(set(labels), key=lambda label: (-labels.count(label), labels.index(label)))
    return [order.index(label) for label in labels]

"""Texts as vectors (appendix A.2.1), and what they tell: which texts are alike, and which label fits one."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from pada_ray.errors import ConfigError

# Of the classifier. Its regularisation is weak, since a label has few texts and all vectors are of length 1.
_C, _STEPS = 30.0, 2000


def embed(texts: Sequence[str], embedding: str, seed: int) -> np.ndarray[Any, Any]:
    """Unit vectors, one row per text."""
    if embedding == "tfidf":
        tfidf = TfidfVectorizer(sublinear_tf=True, stop_words="english", ngram_range=(1, 2))
        try:
            rows = tfidf.fit_transform(texts)
        except ValueError:  # nothing but stop words
            return np.ones((len(texts), 1))
        components = min(20, rows.shape[0] - 1, rows.shape[1] - 1)
        if components < 1:
            return np.asarray(rows.todense())
        return normalize(make_pipeline(TruncatedSVD(components, random_state=seed)).fit_transform(rows))
    return np.asarray(_model(embedding).encode(list(texts), normalize_embeddings=True, show_progress_bar=False))


@functools.lru_cache(maxsize=1)
def _model(embedding: str) -> Any:
    from sentence_transformers import SentenceTransformer

    try:
        return SentenceTransformer(os.path.expanduser(embedding))
    except (OSError, ValueError) as e:
        raise ConfigError(
            f"pattern_analysis.embedding: cannot load {embedding}: {' '.join(str(e).split())[:200]}; "
            "`tfidf` needs no weights"
        ) from None


class Embedded:
    """Some texts, for comparison with others. A model embeds them once. Raises ConfigError when it cannot be loaded."""

    def __init__(self, texts: Sequence[str], embedding: str, seed: int):
        self._texts = list(texts)
        self._embedding = embedding
        self._seed = seed
        # TF-IDF's dimensions depend on all texts, those of queries too.
        self._vectors = None if embedding == "tfidf" or not texts else embed(self._texts, embedding, seed)
        self._learned: tuple[list[str], LogisticRegression] | None = None

    def nearest(self, queries: Sequence[str], k: int) -> list[list[int]]:
        """For each query the positions of the `k` most similar ones (cosine), the nearest first."""
        if not queries or not self._texts:
            return [[] for _ in queries]
        asked, known = self._beside(queries)
        return np.argsort(-(asked @ known.T), axis=1, kind="stable")[:, :k].tolist()

    def labels(self, queries: Sequence[str], labels: Sequence[str]) -> list[str]:
        """The likeliest label of each query, by a logistic regression that has learned the `labels` of the texts, of
        which there is one at least."""
        if not queries or len(set(labels)) == 1:
            return [labels[0] for _ in queries]
        asked, known = self._beside(queries)
        if self._learned is None or self._vectors is None or self._learned[0] != list(labels):
            with threadpool_limits(1):  # on so few points threads cost more than they give
                self._learned = list(labels), LogisticRegression(C=_C, max_iter=_STEPS).fit(known, labels)
        return [str(label) for label in self._learned[1].predict(asked)]

    def _beside(self, queries: Sequence[str]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """The vectors of the queries and of the texts."""
        if self._vectors is not None:
            return embed(queries, self._embedding, self._seed), self._vectors
        together = embed([*queries, *self._texts], self._embedding, self._seed)
        return together[: len(queries)], together[len(queries) :]

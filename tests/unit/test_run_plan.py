import pytest
from builders import math_sample, small_config

from pada_ray.runs.plan import plan

SAMPLES = {
    "train": [math_sample(f"t{i}") for i in range(100)],
    "val": [math_sample(f"v{i}") for i in range(50)],
}


def planned(samples=SAMPLES, **values):
    return plan(small_config(**values), samples)


def purposes(calls):
    return list(dict.fromkeys((c.role, c.purpose) for c in calls))


def test_trainings_grow_by_the_ratio():
    trainings = planned(iterations=2, fine_tune={"batch_size": 8, "epochs": 5}).trainings
    assert [t.samples for t in trainings] == [100, 150, 200]
    assert [t.steps for t in trainings] == [65, 95, 125]


def test_a_reference_trains_once_on_train_and_val():
    assert [t.samples for t in planned(method="train_plus_val", iterations=2).trainings] == [100, 150]


def test_blind_writes_in_as_many_groups_as_it_has_strategies():
    six, two = (planned(method="blind", pattern_analysis={"min_clusters": k, "max_clusters": k}).calls for k in (6, 2))
    assert [c.completion_tokens for c in six if c.purpose == "blind_strategy_drafting"] == [1200, 1200]
    of_six, of_two = (next(c for c in calls if c.purpose == "pattern_generation") for calls in (six, two))
    assert of_six.calls > of_two.calls


def test_the_first_training_is_shared_by_methods_and_by_no_other_seed_or_data():
    first = planned().trainings[0].content
    assert planned(method="auggpt").trainings[0].content == first
    assert planned(method="auggpt", name="other").trainings[1].content != planned().trainings[1].content
    assert planned(seed=1).trainings[0].content != first
    assert planned(fine_tune={"epochs": 1}).trainings[0].content != first
    assert planned(SAMPLES | {"train": SAMPLES["train"][:50]}).trainings[0].content != first


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"method": "vanilla"}, []),
        ({"method": "more_steps"}, []),
        ({"method": "auggpt"}, [("teacher", "rephrasing")]),
        ({"method": "similar"}, [("teacher", "similar_questions"), ("judge", "quality_control")]),
        ({"method": "val_errors"}, [("teacher", "learning_from_errors"), ("judge", "quality_control")]),
        (
            {"method": "blind"},
            [
                ("teacher", "blind_strategy_drafting"),
                ("teacher", "pattern_generation"),
                ("judge", "quality_control"),
            ],
        ),
        ({"method": "train_plus_val"}, []),
        (
            {"method": "auggpt", "quality_control": {"verify": "agreement", "for_all_methods": True}},
            [("teacher", "rephrasing"), ("judge", "answering"), ("judge", "quality_control")],
        ),
        (
            {"method": "similar", "quality_control": {"verify": "agreement", "judge": False}},
            [("teacher", "similar_questions"), ("judge", "answering")],
        ),
        ({"method": "similar", "quality_control": {"judge": False}}, [("teacher", "similar_questions")]),
        (
            {"pattern_analysis": {"enabled": False}},
            [("teacher", "error_generation"), ("judge", "quality_control")],
        ),
        (
            {"quality_control": {"enabled": False}},
            [
                ("teacher", "error_analysis"),
                ("teacher", "pattern_categorization"),
                ("teacher", "strategy_drafting"),
                ("teacher", "pattern_generation"),
            ],
        ),
    ],
)
def test_what_each_method_calls_for(values, expected):
    assert purposes(planned(**values).calls) == expected


def test_methods_share_the_analysis_of_the_first_model_alone():
    shared = [c.shared for c in planned(iterations=2).calls if c.purpose == "error_analysis"]
    assert shared[0] is not None and shared[1] is None
    assert planned(quality_control={"enabled": False}).calls[0].shared == shared[0]


def test_the_last_models_failures_are_analysed_and_no_strategies_drafted():
    def times(purpose, **analysis):
        return sum(c.purpose == purpose for c in planned(iterations=2, pattern_analysis=analysis).calls)

    assert [times(p) for p in ("error_analysis", "pattern_categorization", "strategy_drafting")] == [3, 3, 2]
    assert times("error_analysis", of_last_model=False) == 2


def test_a_judged_task_has_its_replies_graded():
    judged = {split: [s.model_copy(update={"task": "judged"}) for s in members] for split, members in SAMPLES.items()}
    vanilla, auggpt = (planned(judged, method=m, iterations=2).calls for m in ("vanilla", "auggpt"))
    assert purposes(vanilla) == [("judge", "grading")]
    assert sum(c.calls for c in vanilla) == 5 + 15
    graded = [c for c in auggpt if c.purpose == "grading"]
    assert sum(c.calls for c in graded) == 5 + 3 * 15
    shared = {c.shared for c in vanilla if c.calls}
    assert {c.shared for c in graded} == {*shared, None}


def test_no_branch_of_training_errors_asks_for_no_batch_of_them():
    def batches(share):
        generation = {"error_share": share, "batch_size": 1000}
        calls = planned(data_generation=generation, quality_control={"enabled": False}, iterations=1).calls
        return sum(c.calls for c in calls if c.purpose == "pattern_generation")

    assert batches(0.1) - batches(0) == 1


def test_so_few_samples_that_none_is_added():
    few = planned(SAMPLES | {"train": SAMPLES["train"][:1]})
    assert [t.samples for t in few.trainings] == [1, 1, 1]
    assert not {"pattern_generation", "quality_control"} & {c.purpose for c in few.calls}


def test_every_vote_is_a_call():
    def answering(**control):
        calls = planned(method="similar", iterations=1, quality_control={"verify": "agreement"} | control).calls
        return next(c for c in calls if c.purpose == "answering")

    assert answering(votes=3).calls == 3 * answering().calls
    assert answering(worked_examples=0).prompt_tokens < answering().prompt_tokens


def test_without_review_every_draft_counts():
    (calls,) = planned(method="auggpt", iterations=1).calls
    assert calls.calls == 5  # 50 samples, ten a call
    assert calls.completion_tokens > 50 * 60


def test_what_is_sent_back_is_pooled_over_a_group():
    writing, review = planned(method="similar", iterations=1, quality_control={"batch_size": 25}).calls
    # Of 50 samples 30% come back each time: 15, 4.5 and 1.35, of which there may be none.
    assert writing.calls == 5 + 2 + 1 + 1
    assert review.calls == 2 + 1 + 1 + 1

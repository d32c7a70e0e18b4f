import pytest

from pada_ray.config import check_config
from pada_ray.runs.state import FinishedStage, RunState
from pada_ray.runs.time_left import planned_stages, seconds_left

ENDPOINTS = {"teacher": {"base_url": "offline", "model": "a"}, "judge": {"base_url": "offline", "model": "b"}}


def config(**values):
    return check_config({"data": {"demo": {}}, "llm": ENDPOINTS} | values, "test")


ONCE = config(iterations=1)
VANILLA = config(method="vanilla")


def test_what_was_never_seen_makes_it_a_lower_bound():
    left, bound = seconds_left(RunState(name="a"), ONCE, stage_seconds=0)
    assert (left, bound) == (0, True)


def test_later_stages_are_taken_to_last_as_long_as_the_last_of_their_kind():
    known = RunState(
        name="a",
        stage="iteration-0: evaluation",
        finished={
            "base: evaluation": FinishedStage(output="x", seconds=10),
            "iteration-0: fine-tuning": FinishedStage(output="x", seconds=30),
        },
    )
    # one evaluation under way for 4 of its 10 seconds, then one more fine-tuning and evaluation
    assert seconds_left(known, ONCE, stage_seconds=4) == (6 + 30 + 10, True)
    assert seconds_left(known, VANILLA, stage_seconds=4) == (6, False)
    assert seconds_left(known, VANILLA, stage_seconds=99) == (0, False)


def test_judged_replies_are_graded_after_each_evaluation():
    assert planned_stages(VANILLA, judged=True) == [
        "base: evaluation",
        "base: grading",
        "iteration-0: fine-tuning",
        "iteration-0: evaluation",
        "iteration-0: grading",
    ]


@pytest.mark.parametrize(
    ("values", "later"),
    [
        ({"method": "vanilla"}, []),
        ({"method": "more_steps"}, ["fine-tuning", "evaluation"]),
        ({"method": "auggpt"}, ["data generation", "fine-tuning", "evaluation"]),
        ({"pattern_analysis": {"enabled": False}}, ["data generation", "fine-tuning", "evaluation"]),
        (
            {},
            [
                "error analysis",
                "clustering",
                "pattern categorization",
                "strategy drafting",
                "data generation",
                "fine-tuning",
                "evaluation",
            ],
        ),
    ],
)
def test_the_stages_of_each_method(values, later):
    analysis = {"of_last_model": False} | values.pop("pattern_analysis", {})
    stages = planned_stages(config(iterations=1, pattern_analysis=analysis, **values), judged=False)
    assert stages == [
        "base: evaluation",
        "iteration-0: fine-tuning",
        "iteration-0: evaluation",
        *(f"iteration-1: {kind}" for kind in later),
    ]


def test_the_last_models_failures_are_analysed_at_the_end():
    last = ["iteration-2: error analysis", "iteration-2: clustering", "iteration-2: pattern categorization"]
    assert planned_stages(config(iterations=1), judged=False)[-4:] == ["iteration-1: evaluation", *last]

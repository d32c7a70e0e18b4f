import math

import pytest
from builders import math_sample
from builders import small_config as config

from pada_ray.llm.chat import Usage
from pada_ray.runs.planned_stages import planned_stages
from pada_ray.runs.state import FinishedStage, RunState, Score
from pada_ray.runs.time_left import Left, Outlook, Pace

SIZES = {"train": 200, "val": 100, "test": 100}
SAMPLES = {split: [math_sample(f"{split}-{i}") for i in range(size)] for split, size in SIZES.items()}
WITHIN = 0.3


ONCE = config(iterations=1)
VANILLA = config(method="vanilla")
SCORE = {"val": Score(samples=100, failures=40, truncated=0)}


def left(of, state, seconds=0.0, pace=None):
    return Outlook(of, SAMPLES).left(state, seconds, pace)


def at(stage, **seconds):
    """A state at a stage, with the seconds of stages that are done, named like `iteration_0__evaluation`."""
    finished = {}
    for key, taken in seconds.items():
        model, _, kind = key.partition("__")
        name = f"{model.replace('_', '-')}: {kind.replace('_', ' ').replace('fine tuning', 'fine-tuning')}"
        finished[name] = FinishedStage(output="x", seconds=taken)
    return RunState(name="a", stage=stage, finished=finished)


def test_nothing_is_told_before_anything_tells_it():
    assert left(ONCE, RunState(name="a")) == Left(None, None)
    assert left(ONCE, at("base: evaluation"), 7) == Left(None, None)


def test_a_stage_under_way_tells_its_end_by_its_pace():
    assert left(ONCE, at("base: evaluation"), 7, Pace(left=50, per_second=5)) == Left(10, None)
    # one more fine-tuning and evaluation of its kind follow, and no LLM has been asked yet
    assert left(VANILLA, at("iteration-0: fine-tuning", base__evaluation=20), 10, Pace(30, 1.5)) == Left(20, 60)


def test_the_evaluation_of_a_tuned_model_counts_its_samples():
    known = at("iteration-0: evaluation", base__evaluation=20, iteration_0__fine_tuning=30)
    assert left(VANILLA, known, 15) == Left(25, 25)  # 400 samples instead of the base model's 200


def test_a_stage_that_outlasts_what_was_expected_does_not_stand_at_nothing():
    known = at("iteration-0: evaluation", base__evaluation=20, iteration_0__fine_tuning=30)
    assert [left(VANILLA, known, seconds).run for seconds in (40, 100, 200)] == [4, 10, 20]


def test_what_another_run_has_done_tells_no_pace():
    state = at("iteration-0: fine-tuning")
    state.finished["base: evaluation"] = FinishedStage(output="x", seconds=0.02, shared=True)
    assert left(VANILLA, state, 10, Pace(30, 1.5)) == Left(20, None)


def test_the_first_stage_of_its_kind_goes_by_its_calls():
    state = at(
        "iteration-1: error analysis", base__evaluation=20, iteration_0__evaluation=40, iteration_0__fine_tuning=30
    )
    assert left(ONCE, state, 6).stage is None
    calls = math.ceil(min(100, ONCE.pattern_analysis.max_failures) / ONCE.pattern_analysis.batch_size)
    usage = {"role": "teacher", "purpose": "error_analysis", "prompt_tokens": 9, "completion_tokens": 9}
    half = state.model_copy(update={"usage": [Usage(calls=calls // 2, **usage)]})
    found = left(ONCE, half, 6)
    assert found.stage == pytest.approx(6 * calls / (calls // 2) - 6)
    assert found.run > found.stage  # the other LLM stages go at its pace


def test_a_stage_that_was_left_out_is_not_waited_for():
    done = at("iteration-1: fine-tuning", base__evaluation=20, iteration_0__fine_tuning=30, iteration_0__evaluation=40)
    found = left(config(iterations=1, pattern_analysis={"of_last_model": False}), done, 0, Pace(45, 1))
    assert found.run == pytest.approx(45 + 40)


class Made:
    """A run of made-up speed: each stage takes some time to start, and some for each unit of its work."""

    def __init__(self, step, sample, call, start, growth=1.0):
        self.step, self.sample, self.call, self.start, self.growth = step, sample, call, start, growth
        self.config = config(iterations=4, data_generation={"ratio": 0.5})

    def seconds(self, name, failures):
        model, _, kind = name.partition(": ")
        iteration = 0 if model == "base" else int(model[-1])
        if kind == "fine-tuning":
            size = SIZES["train"] * (1 + 0.5 * iteration)
            steps = self.config.fine_tune.epochs * math.ceil(size / self.config.fine_tune.batch_size)
            return self.start + self.step * steps
        if kind == "evaluation":
            at_length = 4 if model == "base" else 1
            return self.start + self.sample * at_length * (200 if model == "base" else 400)
        calls = {"error analysis": failures / 2, "clustering": 1, "pattern categorization": 6, "strategy drafting": 1}
        return self.call * calls.get(kind, 60) * self.growth**iteration

    def misses(self):
        """How far what was told is off, as a share of the truth, three times in each stage after the first iteration.
        Stages of the last few seconds, whose own noise is all that is left, are not asked about."""
        planned = planned_stages(self.config, judged=False)
        failures = {f"iteration-{i}": 40 - 5 * i for i in range(6)}
        taken = {
            name: self.seconds(name, failures[f"iteration-{max(0, int(name[10]) - 1)}"] if name[0] == "i" else 0)
            for name in planned
        }
        state, outlook = RunState(name="a"), Outlook(self.config, SAMPLES)
        off = {}
        for i, name in enumerate(planned):
            state.stage = name
            if name > "iteration-2":
                for share in (0.0, 0.4, 0.8):
                    truth = (1 - share) * taken[name] + sum(taken[later] for later in planned[i + 1 :])
                    found = outlook.left(state, share * taken[name]).run
                    if truth > 0.02 * sum(taken.values()):
                        off[name, share] = abs(found - truth) / truth
            state.finished[name] = FinishedStage(output="x", seconds=taken[name])
            if name.endswith("evaluation"):
                model = name.partition(": ")[0]
                scored = {"val": Score(samples=100, failures=failures.get(model, 90), truncated=0)}
                state.scores[model] = scored
        return off


@pytest.mark.parametrize(
    "made",
    [
        Made(step=0.5, sample=0.05, call=2.0, start=5),  # a small model on a CPU
        Made(step=0.02, sample=0.002, call=0.1, start=20),  # starting takes most of the time
        Made(step=8.0, sample=0.4, call=0.5, start=60),  # training takes most of it
        Made(step=0.1, sample=0.01, call=30.0, start=10),  # a slow endpoint
        Made(step=0.5, sample=0.05, call=2.0, start=5, growth=1.1),  # an endpoint that gets slower
    ],
)
def test_after_the_first_iteration_it_is_within_30_percent(made):
    off = made.misses()
    assert len(off) > 40
    assert {where: round(share, 2) for where, share in off.items() if share > WITHIN} == {}


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

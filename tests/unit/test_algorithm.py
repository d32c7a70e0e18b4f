import asyncio

from builders import math_sample

from pada_ray.algorithm import pada_agent
from pada_ray.records import Failure


class RecordingSteps:
    """Writes down each step with what it was given."""

    def __init__(self):
        self.log = []

    async def fine_tune(self, iteration, training_set):
        self.log.append(("fine_tune", iteration, [s.id for s in training_set]))

    async def evaluate(self, iteration):
        self.log.append(("evaluate", iteration))
        return [Failure(sample=math_sample(f"t{iteration}"), reply="")], [
            Failure(sample=math_sample(f"v{iteration}"), reply="")
        ]

    async def error_analysis(self, iteration, failures):
        self.log.append(("error_analysis", iteration, [f.sample.id for f in failures]))
        return ["analysis"]

    async def cluster(self, iteration, analyses):
        self.log.append(("cluster", iteration, analyses))
        return {0: analyses}

    async def pattern_categorization(self, iteration, clusters):
        self.log.append(("pattern_categorization", iteration, clusters))
        return ["pattern"]

    async def strategy_drafting(self, iteration, patterns):
        self.log.append(("strategy_drafting", iteration, patterns))
        return ["strategy"]

    async def find_what_is_left(self, iteration, failures):
        self.log.append(("find_what_is_left", iteration, [f.sample.id for f in failures]))

    async def generate(self, iteration, strategies, train_failures):
        self.log.append(("generate", iteration, strategies, [f.sample.id for f in train_failures]))
        return [math_sample(f"syn-{iteration}")]

    async def best_on_val(self):
        return 1


def test_algorithm_1_in_its_order():
    steps = RecordingSteps()
    best = asyncio.run(pada_agent([math_sample("a")], steps, max_iterations=2))
    assert best == 1
    assert [entry[:2] for entry in steps.log] == [
        ("fine_tune", 0),
        ("evaluate", 0),
        *(
            (step, iteration)
            for iteration in (1, 2)
            for step in (
                "error_analysis",
                "cluster",
                "pattern_categorization",
                "strategy_drafting",
                "generate",
                "fine_tune",
                "evaluate",
            )
        ),
        ("find_what_is_left", 3),
    ]


def test_validation_failures_feed_analysis_and_train_failures_feed_generation():
    steps = RecordingSteps()
    asyncio.run(pada_agent([math_sample("a")], steps, max_iterations=2))
    given = {entry[:2]: entry[2:] for entry in steps.log}
    assert given["error_analysis", 1] == (["v0"],)
    assert given["error_analysis", 2] == (["v1"],)
    assert given["find_what_is_left", 3] == (["v2"],)
    assert given["generate", 2] == (["strategy"], ["t1"])


def test_synthetic_data_are_added_to_the_training_set_over_the_iterations():
    steps = RecordingSteps()
    asyncio.run(pada_agent([math_sample("a")], steps, max_iterations=2))
    trained = [entry[2] for entry in steps.log if entry[0] == "fine_tune"]
    assert trained == [["a"], ["a", "syn-1"], ["a", "syn-1", "syn-2"]]

"""Every method through the real orchestrator with stub workers: what it shows the generator, and matched sizes."""

import asyncio

import pytest
from builders import candidate, math_sample

from pada_ray import run_files
from pada_ray.augmentation import KnownQuestions, augment_batch
from pada_ray.config import check_config
from pada_ray.fine_tune import REPORT, FineTuneReport
from pada_ray.methods import METHODS
from pada_ray.orchestrator import Orchestrator, Workers
from pada_ray.quality_control import as_sample
from pada_ray.records import Analysis, Candidate, Pattern, Prediction, Sample, Strategy
from pada_ray.storage import Folder

TRAIN, ITERATIONS = 8, 2
AUGMENTING = [name for name in METHODS if name != "vanilla"]


class World:
    """Workers that write down the batches and the training sets. The model fails on the train items t0 and t1."""

    def __init__(self):
        self.batches = []
        self.trained = []

    async def fine_tune(self, job):
        self.trained.append(Folder(job.run).read_records(job.training_set, Sample))
        report = FineTuneReport(job=job.name, samples=1, left_out=0, steps=1, final_loss=0.5)
        Folder(job.run).write_yaml(f"{job.adapter}/{REPORT}", report.model_dump())
        return report

    async def evaluate(self, job):
        return [
            Prediction(id=s.id, split=split, reply=f"wrong {s.id}", failed=s.id[1] in "01", truncated=False)
            for split, file in job.splits.items()
            for s in Folder(job.run).read_records(file, Sample)
        ]

    async def error_analysis(self, failures):
        return [Analysis(sample_id=f.sample.id, error_cause="c", scenario_category="s") for f in failures]

    async def cluster(self, analyses):
        return [i % 2 for i in range(len(analyses))]

    async def nearest(self, queries, texts, k):
        return [list(range(k)) for _ in queries]

    async def pattern_categorization(self, clusters):
        return [Pattern(cluster=k, category_name=f"c{k}", error_pattern="e", size=len(m)) for k, m in clusters.items()]

    async def strategy_drafting(self, patterns):
        return [
            Strategy(
                cluster=p.cluster,
                category_name="c",
                strategy_name=f"s{p.cluster}",
                generation_approach=f"a{p.cluster}",
                key_elements=[],
            )
            for p in patterns
        ]

    async def augment(self, batches):
        self.batches += batches
        return [await augment_batch(b, self, self, 1) for b in batches]

    async def generate(self, of, feedback, attempt):
        return [candidate(of, i, attempt=attempt) for i in range(len(of.seeds))]

    async def assess(self, of, candidates):
        return [c.model_copy(update={"sample": as_sample(c, of.seeds[0].sample)}) for c in candidates]

    async def usage(self):
        return []


def run(tmp_path, method, **settings):
    folder = Folder(str(tmp_path / method))
    for split, size in (("train", TRAIN), ("val", 4)):
        folder.write_records(run_files.split(split), [math_sample(f"{split[0]}{i}") for i in range(size)])
    endpoint = {"base_url": "offline", "model": "a"}
    raw = {"method": method, "iterations": ITERATIONS, "data": {"demo": {}}}
    config = check_config(raw | {"llm": {"teacher": endpoint, "judge": endpoint}} | settings, "test")
    world = World()
    state = asyncio.run(Orchestrator(config, folder.url, Workers(world, world, world)).run())
    assert state.status == "done"
    return world, folder


@pytest.mark.parametrize("method", AUGMENTING)
def test_methods_are_matched_in_size_and_iterations(tmp_path, method):
    world, _ = run(tmp_path, method)
    assert [len(training_set) for training_set in world.trained] == [8, 12, 16]
    assert all(s.id.startswith("t") for s in world.trained[0])


def test_vanilla_trains_once_on_the_training_set(tmp_path):
    world, _ = run(tmp_path, "vanilla")
    assert [len(training_set) for training_set in world.trained] == [TRAIN]
    assert world.batches == []


@pytest.mark.parametrize(
    ("method", "instruction", "reviewed"),
    [
        ("auggpt", "rephrasing", False),
        ("llms_as_instructors", "learning_from_errors", False),
        ("llms_as_instructors_lec", "learning_from_errors", False),
        ("llm2llm", "llm2llm", False),
        ("similar", "similar_questions", True),
    ],
)
def test_what_each_method_asks_of_the_generator(tmp_path, method, instruction, reviewed):
    world, _ = run(tmp_path, method)
    assert {(b.instruction, b.reviewed) for b in world.batches} == {(instruction, reviewed)}
    assert all(b.strategy is None for b in world.batches)


def seeds_of(world):
    return [seed for b in world.batches for seed in b.seeds]


@pytest.mark.parametrize("method", ["llms_as_instructors", "llms_as_instructors_lec", "llm2llm"])
def test_methods_that_learn_from_errors_see_training_errors_alone(tmp_path, method):
    world, _ = run(tmp_path, method)
    assert {seed.sample.id for seed in seeds_of(world)} == {"t0", "t1"}


@pytest.mark.parametrize("method", ["auggpt", "similar"])
def test_methods_without_errors_draw_from_the_whole_training_set(tmp_path, method):
    world, _ = run(tmp_path, method)
    assert len({seed.sample.id for seed in seeds_of(world)}) > 2
    assert all(seed.wrong_reply is None for seed in seeds_of(world))


def test_what_learning_from_errors_shows(tmp_path):
    shown = {
        method: {(s.wrong_reply is not None, len(s.answered_correctly)) for s in seeds_of(run(tmp_path, method)[0])}
        for method in ("llms_as_instructors", "llms_as_instructors_lec", "llm2llm")
    }
    assert shown == {
        "llms_as_instructors": {(True, 0)},
        "llms_as_instructors_lec": {(True, 3)},
        "llm2llm": {(False, 0)},
    }


def test_contrasts_are_questions_that_the_model_got_right(tmp_path):
    world, _ = run(tmp_path, "llms_as_instructors_lec")
    assert {s.id for seed in seeds_of(world) for s in seed.answered_correctly} == {"t2", "t3", "t4"}


def test_more_steps_repeats_training_samples_and_asks_nobody(tmp_path):
    world, _ = run(tmp_path, "more_steps")
    assert world.batches == []
    assert {s.id for s in world.trained[2]} == {f"t{i}" for i in range(TRAIN)}


def test_quality_control_for_all(tmp_path):
    world, _ = run(tmp_path, "auggpt", quality_control={"for_all_methods": True})
    assert all(b.reviewed for b in world.batches)


def test_without_errors_there_is_a_shortfall_and_no_crash(tmp_path):
    class Perfect(World):
        async def evaluate(self, job):
            return [p.model_copy(update={"failed": False}) for p in await super().evaluate(job)]

    folder = Folder(str(tmp_path / "perfect"))
    for split, size in (("train", TRAIN), ("val", 4)):
        folder.write_records(run_files.split(split), [math_sample(f"{split[0]}{i}") for i in range(size)])
    endpoint = {"base_url": "offline", "model": "a"}
    raw = {"method": "llm2llm", "data": {"demo": {}}, "llm": {"teacher": endpoint, "judge": endpoint}}
    world = Perfect()
    state = asyncio.run(Orchestrator(check_config(raw, "test"), folder.url, Workers(world, world, world)).run())
    assert state.counts["iteration-1"]["shortfall"] == 4
    assert folder.read_records(run_files.accepted(1), Candidate) == []


def test_near_repetitions_are_told_by_rouge_l():
    question = "a farmer has nine red hens and buys four more from a man at the market in town"
    known = KnownQuestions([math_sample("a", question)])
    one_word_off = math_sample("b", question.replace("town", "village"))
    assert not known.add(one_word_off, max_overlap=0.9)
    assert known.add(one_word_off, max_overlap=1.0)
    assert not known.add(one_word_off, max_overlap=1.0)
    assert known.add(math_sample("c", "how many days are there in nine weeks"), max_overlap=0.9)

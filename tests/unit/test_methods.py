"""Every method through the real orchestrator with stub workers: what it shows the generator, and matched sizes."""

import asyncio

import pytest
from builders import math_sample
from stub_workers import StubWorkers

from pada_ray.config import check_config
from pada_ray.methods import METHODS
from pada_ray.orchestrator import Orchestrator
from pada_ray.records import Candidate
from pada_ray.run import run_files
from pada_ray.run.event_log import read_events
from pada_ray.run.state import read_state
from pada_ray.storage import Folder

TRAIN, ITERATIONS = 8, 2
AUGMENTING = [name for name in METHODS if name != "vanilla"]


def run(tmp_path, method, world=None, **settings):
    """The stub model fails on the train items t0 and t1."""
    folder = Folder(str(tmp_path / method))
    for split, size in (("train", TRAIN), ("val", 4)):
        folder.write_records(run_files.split(split), [math_sample(f"{split[0]}{i}") for i in range(size)])
    endpoint = {"base_url": "offline", "model": "a"}
    raw = {"method": method, "iterations": ITERATIONS, "data": {"demo": {}}}
    config = check_config(raw | {"llm": {"teacher": endpoint, "judge": endpoint}} | settings, "test")
    world = world or StubWorkers()
    state = asyncio.run(Orchestrator(config, folder.url, world.workers()).run())
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


def test_what_could_not_be_scored_is_no_contrast(tmp_path):
    class Unreadable(StubWorkers):
        def fails(self, sample, position, model):
            return None if sample.id == "t2" else super().fails(sample, position, model)

    world, _ = run(tmp_path, "llms_as_instructors_lec", Unreadable())
    assert {s.id for seed in seeds_of(world) for s in seed.answered_correctly} == {"t3", "t4", "t5"}


def test_more_steps_repeats_training_samples_and_asks_nobody(tmp_path):
    world, _ = run(tmp_path, "more_steps")
    assert world.batches == []
    assert {s.id for s in world.trained[2]} == {f"t{i}" for i in range(TRAIN)}


def test_quality_control_for_all(tmp_path):
    world, _ = run(tmp_path, "auggpt", quality_control={"for_all_methods": True})
    assert all(b.reviewed for b in world.batches)


class Perfect(StubWorkers):
    def fails(self, sample, position, model):
        return False


@pytest.mark.parametrize("method", ["llm2llm", "pada"])
def test_with_nothing_to_write_from_the_whole_size_is_missing_and_told(tmp_path, method):
    _, folder = run(tmp_path, method, Perfect(), pattern_analysis={"enabled": False})
    counts = read_state(folder).counts["iteration-1"]
    assert (counts["quota"], counts["accepted"], counts["shortfall"]) == (4, 0, 4)
    assert folder.read_records(run_files.accepted(1), Candidate) == []
    told = [e.figures for e in read_events(folder) if e.event == "shortfall"]
    assert [(f["quota"], f["accepted"], f["pool"]) for f in told] == [(4, 0, 0)] * ITERATIONS

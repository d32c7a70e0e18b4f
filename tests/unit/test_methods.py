"""Every method through the real orchestrator with stub workers: what it shows the generator, and matched sizes."""

import asyncio

import pytest
from builders import RAW, candidate, math_run
from stub_workers import StubWorkers
from test_embedding import Model

from pada_ray.agents import embedding
from pada_ray.agents.nearest import Finder
from pada_ray.agents.quotas import fill_quotas
from pada_ray.config import check_config
from pada_ray.methods import METHODS
from pada_ray.orchestrator import Orchestrator
from pada_ray.records import Candidate
from pada_ray.runs import run_files
from pada_ray.runs.changes import STAGES
from pada_ray.runs.event_log import read_events
from pada_ray.runs.planned_stages import planned_stages
from pada_ray.runs.stage_names import parts_of
from pada_ray.runs.state import read_state
from pada_ray.student.losses import SampleLoss, hardest

TRAIN, VAL, ITERATIONS = 8, 4, 2
REFERENCES = [name for name, method in METHODS.items() if method.reference]
AUGMENTING = [name for name in METHODS if name != "vanilla" and name not in REFERENCES]


def config_for(method, **settings):
    return check_config(RAW | {"method": method, "iterations": ITERATIONS} | settings, "test")


def run(tmp_path, method, world=None, **settings):
    """The stub model fails on the first two items of each split: t0 and t1, v0 and v1."""
    folder = math_run(tmp_path / method, TRAIN, VAL, test=3)
    world = world or StubWorkers()
    state = asyncio.run(Orchestrator(config_for(method, **settings), folder.url, world.workers()).run())
    assert state.status == "done"
    return world, folder


@pytest.mark.parametrize("method", AUGMENTING)
def test_methods_are_matched_in_size_and_iterations(tmp_path, method):
    world, _ = run(tmp_path, method)
    assert [len(training_set) for training_set in world.trained] == [8, 12, 16]
    assert all(s.id.startswith("t") for s in world.trained[0])


@pytest.mark.parametrize("method", METHODS)
def test_a_run_goes_through_the_stages_that_are_planned_for_its_method(tmp_path, method):
    _, folder = run(tmp_path, method)
    assert list(read_state(folder).finished) == planned_stages(config_for(method), judged=False)


@pytest.mark.parametrize("method", METHODS)
def test_no_stage_of_an_iteration_is_forgotten_where_settings_may_no_longer_change(method):
    stages = [parts_of(stage) for stage in planned_stages(config_for(method), judged=True)]
    later = {stage.kind for stage in stages if stage.model not in ("base", "iteration-0")}
    assert later - {"evaluation", "grading"} <= set(STAGES["pattern_analysis"])


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
        ("blind", "pattern_generation", True),
        ("val_errors", "learning_from_errors", True),
    ],
)
def test_what_each_method_asks_of_the_generator(tmp_path, method, instruction, reviewed):
    world, _ = run(tmp_path, method)
    assert {(b.instruction, b.reviewed) for b in world.batches} == {(instruction, reviewed)}
    assert all((b.strategy is not None) == (method == "blind") for b in world.batches)


def seeds_of(world):
    return [seed for b in world.batches for seed in b.seeds]


@pytest.mark.parametrize("method", ["llms_as_instructors", "llms_as_instructors_lec", "llm2llm"])
def test_methods_that_learn_from_errors_see_training_errors_alone(tmp_path, method):
    world, _ = run(tmp_path, method)
    assert {seed.sample.id for seed in seeds_of(world)} == {"t0", "t1"}


def test_val_errors_sees_the_errors_on_val_alone(tmp_path):
    world, _ = run(tmp_path, "val_errors")
    assert {(seed.sample.id, seed.wrong_reply) for seed in seeds_of(world)} == {("v0", "wrong v0"), ("v1", "wrong v1")}


def test_words_of_val_that_the_writer_was_shown_do_not_come_through(tmp_path):
    class Copying(StubWorkers):
        """Every other sample has a run of its seed's words."""

        async def augment(self, job, screen):
            async def write(batch):
                texts = [f"Is it so? {s.sample.question}" if i % 2 else "" for i, s in enumerate(batch.seeds)]
                return screen.screen(batch, [candidate(batch, i, question=text) for i, text in enumerate(texts)])

            return await fill_quotas(job, write, review=None)

    world, folder = run(tmp_path, "val_errors", Copying())
    reasons = {c.rejected for c in folder.read_records(run_files.rejected(1), Candidate)}
    assert reasons == {"leak"}
    trained = [m.content for samples in world.trained for s in samples for m in s.messages]
    assert trained and not any("v0 has" in text or "v1 has" in text for text in trained)


def test_blind_drafts_from_handfuls_of_training_samples(tmp_path):
    world, folder = run(tmp_path, "blind")
    settings = config_for("blind").pattern_analysis
    assert len(world.handfuls) == ITERATIONS * settings.blind_strategies == 12
    assert {s.id for handful in world.handfuls for s in handful} <= {f"t{i}" for i in range(TRAIN)}
    assert len({b.strategy.strategy_name for b in world.batches}) > 1
    assert not {"error_analysis", "cluster", "strategy_drafting"} & set(world.asked)
    assert read_state(folder).counts["iteration-1"]["strategies"] == settings.blind_strategies


def test_a_reference_trains_on_val_and_is_scored_on_test_alone(tmp_path):
    world, folder = run(tmp_path, "train_plus_val")
    assert [len(training_set) for training_set in world.trained] == [TRAIN, TRAIN + VAL]
    state = read_state(folder)
    assert state.best == "iteration-1" and set(state.scores["iteration-1"]) == {"test"}
    assert set(state.scores["iteration-0"]) == {"train", "val", "test"}
    assert world.batches == []


@pytest.mark.parametrize("method", [name for name in METHODS if name not in REFERENCES])
def test_no_other_method_trains_on_val(tmp_path, method):
    world, folder = run(tmp_path, method)
    assert not {s.id for samples in world.trained for s in samples} & {f"v{i}" for i in range(VAL)}
    with pytest.raises(ValueError, match="only a reference may train on val"):
        asyncio.run(Orchestrator(config_for(method), folder.url, world.workers()).labelled_val())


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


def test_where_the_model_got_nothing_right_no_contrast_is_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(embedding, "_model", lambda name: Model())

    class NothingRight(StubWorkers):
        nearest = staticmethod(Finder("model", 0).nearest)

        def fails(self, sample, position, model):
            return True

    world, _ = run(tmp_path, "llms_as_instructors_lec", NothingRight())
    assert {(s.wrong_reply is not None, len(s.answered_correctly)) for s in seeds_of(world)} == {(True, 0)}
    assert [len(training_set) for training_set in world.trained] == [8, 12, 16]


def test_more_steps_repeats_training_samples_and_asks_nobody(tmp_path):
    world, _ = run(tmp_path, "more_steps")
    assert world.batches == []
    assert {s.id for s in world.trained[2]} == {f"t{i}" for i in range(TRAIN)}


def test_quality_control_for_all(tmp_path):
    world, _ = run(tmp_path, "auggpt", quality_control={"for_all_methods": True})
    assert all(b.reviewed for b in world.batches)


class Perfect(StubWorkers):
    """By the loss of its replies, t7 is the hardest tenth of train."""

    def fails(self, sample, position, model):
        return False


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("llms_as_instructors", {}),
        ("llms_as_instructors_lec", {}),
        ("llm2llm", {}),
        ("pada", {"pattern_analysis": {"enabled": False}}),
        ("pada", {"data_generation": {"error_share": 0.5}}),
    ],
)
def test_where_there_are_no_training_errors_the_hardest_samples_stand_in(tmp_path, method, settings):
    world, folder = run(tmp_path, method, Perfect(), **settings)
    assert [len(training_set) for training_set in world.trained] == [8, 12, 16]
    assert {(seed.sample.id, seed.wrong_reply) for seed in seeds_of(world)} == {("t7", None)}
    assert not {"t7"} & {s.id for seed in seeds_of(world) for s in seed.answered_correctly}
    assert [entry for entry in world.asked if entry.startswith("losses")] == [
        "losses iteration-0/adapter",
        "losses iteration-1/adapter",
    ]
    assert len(folder.read_records(run_files.losses("iteration-0"), SampleLoss)) == TRAIN


@pytest.mark.parametrize("method", ["auggpt", "similar", "blind", "more_steps"])
def test_methods_without_errors_have_no_use_for_the_hardest(tmp_path, method):
    world, _ = run(tmp_path, method, Perfect())
    assert not any(entry.startswith("losses") for entry in world.asked)


def test_by_the_rate_of_errors_the_branch_without_any_gets_nothing(tmp_path):
    class PerfectOnTrain(StubWorkers):
        def fails(self, sample, position, model):
            return sample.id.startswith("v")

    world, _ = run(tmp_path, "pada", PerfectOnTrain())
    assert {b.instruction for b in world.batches} == {"pattern_generation"}
    assert not any(entry.startswith("losses") for entry in world.asked)


@pytest.mark.parametrize(
    ("method", "settings"), [("val_errors", {}), ("pada", {"data_generation": {"error_share": 0}})]
)
def test_with_nothing_to_write_from_the_whole_size_is_missing_and_told(tmp_path, method, settings):
    _, folder = run(tmp_path, method, Perfect(), **settings)
    counts = read_state(folder).counts["iteration-1"]
    assert (counts["quota"], counts["accepted"], counts["shortfall"]) == (4, 0, 4)
    assert folder.read_records(run_files.accepted(1), Candidate) == []
    told = [e.figures for e in read_events(folder) if e.event == "shortfall"]
    assert [(f["quota"], f["accepted"], f["pool"]) for f in told] == [(4, 0, 0)] * ITERATIONS


def test_the_hardest_are_a_tenth_and_what_was_not_trained_on_is_none_of_them():
    found = [SampleLoss(id=f"t{i}", loss=None if i == 19 else i / 10) for i in range(20)]
    assert hardest(found) == ["t18", "t17"]
    assert hardest(found[:2]) == ["t1"]

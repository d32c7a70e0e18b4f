"""The orchestrator with stub workers: the whole loop without a cluster, a model or a network."""

import pytest
import yaml
from builders import RAW, math_sample, strategy
from stub_workers import StubWorkers, run
from waiting_runs import QUOTE, begun

from pada_ray.agents.leak_guard import LeakGuard, redact_pattern, redact_strategy
from pada_ray.errors import BudgetReached
from pada_ray.records import Analysis, Candidate, LeakHit, Pattern, Prediction, Sample
from pada_ray.runs import run_files
from pada_ray.runs.event_log import read_events


class World(StubWorkers):
    """The model gets better: iteration k fails on 3 - k items of each split of four."""

    error_pattern = f"The sums go wrong. As when {QUOTE}."

    def fails(self, sample, position, model):
        return position > model


def prepared(tmp_path, name="run"):
    return begun(tmp_path / name, test=4)


def test_a_whole_run(tmp_path):
    folder = prepared(tmp_path)
    state = run(folder, World())
    assert state.status == "done"
    assert state.best == "iteration-2"
    assert {m: s["test"].accuracy for m, s in state.scores.items()} == {
        "base": 0.0,
        "iteration-0": 0.25,
        "iteration-1": 0.5,
        "iteration-2": 0.75,
    }
    assert len(folder.read_records(run_files.accepted(1), Candidate)) == 4
    trained = [len(folder.read_records(run_files.training_set(i), Sample)) for i in range(3)]
    assert trained == [8, 12, 16]


def test_the_part_of_val_held_apart_chooses_and_reaches_no_agent(tmp_path):
    folder = prepared(tmp_path)
    apart = [math_sample(f"a{i}") for i in range(2)]  # iteration-1 fails on none of them, and iteration-2 neither
    folder.write_records(run_files.split("val_apart"), apart)
    state = run(folder, World())
    assert state.scores["iteration-1"]["val_apart"].accuracy == 1.0
    assert state.best == "iteration-1"
    analysed = {a.sample_id for i in (1, 2) for a in folder.read_records(run_files.analyses(i), Analysis)}
    assert analysed
    assert all(name.startswith("v") for name in analysed)


class Disagreeing(World):
    """On each split another iteration's model is best: train's is 0, val's 1, the held apart part's 2, test's 3."""

    def fails(self, sample, position, model):
        return model != "tvax".index(sample.id[0])


@pytest.mark.parametrize(("apart", "chosen"), [(False, "iteration-1"), (True, "iteration-2")])
def test_neither_train_nor_test_chooses_the_best_model(tmp_path, apart, chosen):
    folder = prepared(tmp_path)
    if apart:
        folder.write_records(run_files.split("val_apart"), [math_sample("a0")])
    state = run(folder, Disagreeing(), iterations=3)
    assert [m for m, scores in state.scores.items() if scores["test"].accuracy == 1] == ["iteration-3"]
    assert state.best == chosen


def test_a_model_without_a_scored_reply_is_not_chosen(tmp_path):
    class Unread(World):
        def fails(self, sample, position, model):
            return None if model == 0 else super().fails(sample, position, model)

    state = run(prepared(tmp_path), Unread())
    assert state.scores["iteration-0"]["val"].unscored == 4
    assert state.best == "iteration-2"


def test_a_training_is_named_after_its_run_and_model(tmp_path):
    class Named(World):
        async def fine_tune(self, job):
            self.asked.append(job.name.rpartition("-")[0])
            return await super().fine_tune(job)

    world = Named()
    run(prepared(tmp_path, "a-run"), world, method="vanilla")
    assert "a-run-iteration-0" in world.asked


def test_test_items_reach_no_agent(tmp_path):
    """Only val failures are analysed, and only train items are seeds."""
    folder = prepared(tmp_path)
    run(folder, World())
    analysed = folder.read_records(run_files.analyses(1), Analysis)
    assert {a.sample_id[0] for a in analysed} == {"v"}
    seeds = {c.seed_id[0] for c in folder.read_records(run_files.accepted(1), Candidate)}
    assert seeds == {"t"}


def test_what_a_pattern_quotes_of_val_is_cut_out_counted_and_listed(tmp_path):
    folder = prepared(tmp_path)
    world = World()
    state = run(folder, world)
    assert [p.error_pattern for p in world.patterns[:2]] == ["The sums go wrong."] * 2
    assert state.counts["iteration-1"]["leaks_cut_out"] == 2
    assert "sailors" in folder.read_records(run_files.leaks(1), LeakHit)[0].words
    assert "sailors" in folder.read_text(run_files.patterns(1))  # the report may show it


STAGES = [
    "evaluate None",
    "fine_tune iteration-0/adapter",
    "evaluate iteration-0/adapter",
    "error_analysis",
    "cluster",
    "pattern_categorization",
    "strategy_drafting",
    "augment",
    "fine_tune iteration-1/adapter",
    "evaluate iteration-1/adapter",
]


@pytest.mark.parametrize("stage", STAGES)
def test_goes_on_from_the_last_finished_stage(tmp_path, stage):
    undisturbed = prepared(tmp_path, "undisturbed")
    expected = run(undisturbed, World())
    folder = prepared(tmp_path)
    first = World(die_in=stage)
    with pytest.raises(RuntimeError, match="killed"):
        run(folder, first)
    assert yaml.safe_load(folder.read_text("state.json"))["status"] == "failed"
    second = World()
    state = run(folder, second)
    finished = first.asked[:-1]
    assert not set(finished) & set(second.asked[: len(STAGES) - len(finished)])
    assert second.asked[0] == stage
    assert state.scores == expected.scores
    assert state.error is None
    for i in (1, 2):
        file = run_files.training_set(i)
        assert folder.read_text(file) == undisturbed.read_text(file)


def test_without_pattern_analysis_only_training_errors_are_used(tmp_path):
    folder = prepared(tmp_path)
    world = World()
    run(folder, world, pattern_analysis={"enabled": False})
    assert "error_analysis" not in world.asked
    assert {c.group for c in folder.read_records(run_files.accepted(1), Candidate)} == {"errors"}


def test_what_the_last_model_gets_wrong_is_analysed_unless_told_otherwise(tmp_path):
    folder, without = prepared(tmp_path), prepared(tmp_path, "without")
    world = World()
    run(folder, world)
    assert world.asked[-4:] == [
        "evaluate iteration-2/adapter",
        "error_analysis",
        "cluster",
        "pattern_categorization",
    ]
    wrong = [
        p.id
        for p in folder.read_records(run_files.predictions("iteration-2"), Prediction)
        if p.split == "val" and p.failed
    ]
    assert [a.sample_id for a in folder.read_records(run_files.analyses(3), Analysis)] == wrong != []
    assert folder.exists(run_files.patterns(3)) and not folder.exists(run_files.strategies(3))
    run(without, world, pattern_analysis={"of_last_model": False})
    assert world.asked[-1] == "evaluate iteration-2/adapter"
    assert not without.exists(run_files.analyses(3))


class Spent(World):
    """The budget is reached when the last model's failures are analysed."""

    async def error_analysis(self, failures):
        if self.asked.count("error_analysis") == RAW["iterations"]:
            raise BudgetReached("the budget is reached: 10 of 10 tokens")
        return await super().error_analysis(failures)


def test_a_budget_that_suffices_for_all_models_ends_the_run_well(tmp_path):
    folder = prepared(tmp_path)
    state = run(folder, Spent())
    assert (state.status, state.best) == ("done", "iteration-2")
    assert {score["test"].accuracy for score in state.scores.values()} == {0.0, 0.25, 0.5, 0.75}
    told = [e for e in read_events(folder) if e.event == "not analysed"]
    assert [e.figures["error"] for e in told] == ["the budget is reached: 10 of 10 tokens"]


def test_a_strategy_left_out_gets_no_samples_and_the_others_share_its_quota(tmp_path):
    folder = prepared(tmp_path)
    run(folder, World(), pattern_analysis={"leave_out": 0}, data_generation={"error_share": 0})
    accepted = folder.read_records(run_files.accepted(1), Candidate)
    assert {c.group for c in accepted} == {"cluster-1"}
    assert len(accepted) == 4


def test_vanilla_fine_tuning_alone(tmp_path):
    world = World()
    state = run(prepared(tmp_path), world, method="vanilla")
    assert world.asked == STAGES[:3]
    assert state.best == "iteration-0"


def test_the_earlier_of_two_equal_models_is_best(tmp_path):
    class Flat(World):
        def fails(self, sample, position, model):
            return True

    assert run(prepared(tmp_path), Flat()).best == "iteration-0"


def test_a_run_without_test_split(tmp_path):
    folder = prepared(tmp_path)
    folder.remove(run_files.split("test"))
    state = run(folder, World())
    assert set(state.scores["iteration-2"]) == {"train", "val"}


GUARD = LeakGuard([math_sample("v", question=f"{QUOTE}?")], [])


def test_a_strategy_without_an_approach_left_is_dropped():
    quoting = strategy().model_copy(update={"generation_approach": f"Write this: {QUOTE}."})
    redacted, hits = redact_strategy(GUARD, quoting)
    assert redacted is None
    assert [h.where for h in hits] == ["strategy of cluster 0"]


def test_elements_and_names_that_quote_are_dropped_one_by_one():
    quoting = strategy().model_copy(update={"key_elements": ["two numbers", QUOTE], "strategy_name": QUOTE})
    redacted, hits = redact_strategy(GUARD, quoting)
    assert redacted.key_elements == ["two numbers"]
    assert redacted.strategy_name == "Strategy 1"
    assert len(hits) == 2


def test_a_clean_pattern_stays_as_it_is():
    pattern = Pattern(cluster=0, category_name="a", error_pattern="b c d.", size=1)
    assert redact_pattern(GUARD, pattern) == (pattern, [])

"""Seeds near a strategy's failures, and quotas by the sizes of clusters."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest
from builders import ASKING, ScriptedLlm, math_sample, strategy
from stub_workers import run
from test_embedding import Model
from test_orchestrator import World, prepared
from test_verification import BRIEF, TRAIN

from pada_ray.agents import embedding
from pada_ray.agents.data_generation import DataGenerationAgent
from pada_ray.agents.near_seeds import seeds_of_kinds
from pada_ray.agents.nearest import Finder
from pada_ray.agents.quotas import plan_groups, shares
from pada_ray.config import DataGenerationConfig
from pada_ray.records import Attempt, Batch, MistakeCount, Seed


def mistake(*kinds):
    return MistakeCount(text=f"expected {kinds[0]}, replied {kinds[-1]}", kinds=list(kinds), times=2)


def near(*mistakes):
    return seeds_of_kinds(TRAIN, mistakes, BRIEF.knowledge, random.Random(0))


def test_seeds_are_of_the_confused_labels_each_beside_one_of_the_other():
    seeds = near(mistake("card_linking", "card_arrival"))
    assert [s.sample.answer for s in seeds] == ["card_linking"] * 3 + ["card_arrival"] * 4
    assert all(s.contrast and {s.sample.answer, s.contrast.answer} == {"card_linking", "card_arrival"} for s in seeds)


def test_a_label_that_was_taken_for_none_has_seeds_and_no_contrast():
    assert [(s.sample.answer, s.contrast) for s in near(mistake("top_up"))] == [("top_up", None)] * 3


def test_kinds_that_train_does_not_have_give_no_seeds():
    assert near(mistake("age_limit")) == [] == near()
    only = near(mistake("top_up", "age_limit"))
    assert {s.sample.answer for s in only} == {"top_up"} and not any(s.contrast for s in only)
    assert seeds_of_kinds([math_sample("t")], [mistake("top_up")], BRIEF.knowledge, random.Random(0)) == []


def test_the_writer_sees_the_contrast_beside_its_example():
    seed = near(mistake("card_linking", "card_arrival"))[0]
    prompts = []
    for shown in (seed, Seed(sample=seed.sample)):
        of = Batch(
            id="b", group="g", instruction="pattern_generation", strategy=strategy(),
            attempts=[Attempt(draft="d", seed=shown)],
        )  # fmt: skip
        llm = ScriptedLlm({"example-1": {"question": "q", "reply": "card_linking"}})
        asyncio.run(DataGenerationAgent(llm, DataGenerationConfig(), replace(ASKING, brief=BRIEF)).generate(of))
        prompts.append(llm.requests[0].messages[0].content)
    assert '"contrast": {' in prompts[0] and "not that of the" in prompts[0]
    assert "contrast" not in prompts[1]


@pytest.mark.parametrize(
    ("total", "sizes", "parts"),
    [
        (10, [5, 3, 2], [5, 3, 2]),
        (10, [2, 2, 2], [4, 3, 3]),
        (7, [1, 0, 1], [4, 0, 3]),
        (5, [0, 0], [3, 2]),
        (0, [1], [0]),
        (5, [], []),
    ],
)
def test_shares_by_size_add_up_to_the_total(total, sizes, parts):
    assert shares(total, sizes) == parts


def test_groups_by_size_and_from_the_seeds_that_are_near():
    drafted = [strategy(k).model_copy(update={"size": size}) for k, size in ((0, 9), (1, 1))]
    pool = [Seed(sample=TRAIN[0])]
    groups = plan_groups(drafted, TRAIN, [], 20, 0, quotas="size", near={0: pool, 1: []})
    assert [g.quota for g in groups] == [18, 2]
    assert [g.pool for g in groups] == [pool, [Seed(sample=s) for s in TRAIN]]
    assert [g.quota for g in plan_groups(drafted, TRAIN, [], 20, 0)] == [10, 10]


def test_a_strategy_without_failures_draws_from_all_training_samples(tmp_path, monkeypatch):
    """Such as one that a person added."""
    monkeypatch.setattr(embedding, "_model", lambda name: Model())

    class WithAnother(World):
        nearest = staticmethod(Finder("model", 0).nearest)

        async def strategy_drafting(self, patterns):
            return [*await super().strategy_drafting(patterns), strategy(9)]

    world = WithAnother()
    settings = {"seeds": "near", "error_share": 0, "ratio": 1.0}
    run(prepared(tmp_path), world, iterations=1, data_generation=settings)
    drawn = [{seed.sample.id for seed in b.seeds} for b in world.batches if b.group == "cluster-9"]
    assert len(set().union(*drawn)) > 1


@pytest.mark.parametrize("seeds", ["random", "near"])
def test_where_no_kind_is_known_the_nearest_training_samples_are_drawn_from(tmp_path, seeds):
    world = World()
    run(prepared(tmp_path), world, iterations=1, data_generation={"seeds": seeds, "error_share": 0})
    drawn = {seed.sample.id for b in world.batches for seed in b.seeds}
    assert drawn <= {f"t{i}" for i in range(5)} if seeds == "near" else len(drawn) > 2

import asyncio
import random

import pytest
from builders import batch, candidate, math_sample, strategy

from pada_ray.agents.quotas import (
    AugmentationJob,
    augment_batch,
    even_shares,
    fill_quotas,
    plan_groups,
    share_of_errors,
)
from pada_ray.config import DataGenerationConfig
from pada_ray.data.samples import question_key
from pada_ray.records import Sample, Seed


def with_sample(c):
    messages = [m.model_dump() for m in c.messages]
    sample = Sample.model_validate({"id": c.id, "messages": messages, "task": "math", "answer": "9"})
    return c.model_copy(update={"sample": sample})


class Assess:
    """A candidate per seed, of which those of the seeds named for an attempt are turned down; records what it was
    asked."""

    def __init__(self, rejects=None, unreadable_attempts=()):
        self.calls = []
        self.rejects = rejects or {}
        self.unreadable_attempts = unreadable_attempts

    async def __call__(self, attempt):
        of = attempt.batch
        self.calls.append(([s.sample.id for s in of.seeds], attempt.feedback, attempt.number))
        if attempt.number in self.unreadable_attempts:
            return []
        written = [with_sample(candidate(of, i, attempt=attempt.number)) for i in range(len(of.seeds))]
        down = self.rejects.get(attempt.number, ())
        update = {"rejected": "low score", "feedback": "vary more"}
        return [c.model_copy(update=update) if c.seed_id in down else c for c in written]


def test_what_is_turned_down_is_regenerated_with_its_feedback():
    assess = Assess({0: {"train-0", "train-2"}, 1: {"train-2"}})
    outcome = asyncio.run(augment_batch(batch(3, strategy()), assess, max_regenerations=3))
    assert assess.calls == [
        (["train-0", "train-1", "train-2"], {}, 0),
        (["train-0", "train-2"], {"train-0": "vary more", "train-2": "vary more"}, 1),
        (["train-2"], {"train-2": "vary more"}, 2),
    ]
    assert [(c.seed_id, c.attempt) for c in outcome.accepted] == [("train-1", 0), ("train-0", 1), ("train-2", 2)]
    assert [(c.seed_id, c.attempt) for c in outcome.rejected] == [("train-0", 0), ("train-2", 0), ("train-2", 1)]


def test_regeneration_ends_and_what_falls_short_is_kept_apart():
    assess = Assess({attempt: {"train-0"} for attempt in range(9)})
    outcome = asyncio.run(augment_batch(batch(1, strategy()), assess, max_regenerations=3))
    assert len(assess.calls) == 4
    assert outcome.accepted == []
    assert len(outcome.rejected) == 4


def test_an_unreadable_reply_counts_as_unwritten_and_is_tried_again():
    outcome = asyncio.run(augment_batch(batch(2), Assess(unreadable_attempts={0}), max_regenerations=1))
    assert outcome.unwritten == 2
    assert len(outcome.accepted) == 2


@pytest.mark.parametrize(("total", "parts"), [(10, 3), (9, 3), (2, 5), (0, 2), (7, 1), (5, 0)])
def test_even_shares(total, parts):
    shares = even_shares(total, parts)
    assert len(shares) == parts
    assert sum(shares) == (total if parts else 0)
    assert not shares or max(shares) - min(shares) <= 1


@pytest.mark.parametrize(
    ("strategies", "errors", "share", "expected"),
    [
        (3, 4, 0.25, {"cluster-0": 13, "cluster-1": 13, "cluster-2": 12, "errors": 12}),
        (3, 4, 0.5, {"cluster-0": 9, "cluster-1": 8, "cluster-2": 8, "errors": 25}),
        (3, 4, 0, {"cluster-0": 17, "cluster-1": 17, "cluster-2": 16}),
        (3, 0, 0.25, {"cluster-0": 17, "cluster-1": 17, "cluster-2": 16}),
        (3, 4, 0.001, {"cluster-0": 17, "cluster-1": 17, "cluster-2": 16}),
        (0, 4, 0.001, {"errors": 50}),
        (0, 4, 0, {}),
        (0, 0, 0.25, {}),
    ],
)
def test_quotas(strategies, errors, share, expected):
    groups = plan_groups(
        [strategy(k) for k in range(strategies)],
        [math_sample("a")],
        [Seed(sample=math_sample(f"e{i}"), wrong_reply="no") for i in range(errors)],
        total=50,
        error_share=share,
    )
    assert {g.name: g.quota for g in groups} == expected


@pytest.mark.parametrize(
    ("setting", "clusters", "train_error", "val_error", "share"),
    [
        ("error_rate", 3, 0.25, 0.25, 0.5),
        ("error_rate", 3, 0.1, 0.4, 0.2),
        ("error_rate", 3, 0.0, 0.4, 0),
        ("error_rate", 3, 0.0, 0.0, 0),
        ("cluster", 3, 0.1, 0.4, 0.25),
        ("cluster", 0, 0.1, 0.4, 1),
        (0.7, 3, 0.1, 0.4, 0.7),
        (0, 3, 0.1, 0.4, 0),
    ],
)
def test_the_share_of_training_errors(setting, clusters, train_error, val_error, share):
    assert share_of_errors(setting, clusters, train_error, val_error) == pytest.approx(share)


def job_of(groups, *, batch_size=4, budget=3.0, known=(), seed=0):
    return AugmentationJob(
        run="run",
        iteration=1,
        groups=groups,
        known=known,
        settings=DataGenerationConfig(batch_size=batch_size, candidate_budget=budget),
        max_regenerations=0,
        seed=seed,
    )


def run_fill(groups, accept, *, arrival=lambda batch: 0.0, **settings):
    """`accept(batch, seed index)` tells whether a draft passes, `arrival` how long a batch is on its way (seconds)."""
    seen = []

    async def assess(attempt):
        b = attempt.batch
        seen.append(b)
        await asyncio.sleep(arrival(b))
        drafts = [with_sample(candidate(b, i)) for i in range(len(b.seeds))]
        return [c if accept(b, i) else c.model_copy(update={"rejected": "low score"}) for i, c in enumerate(drafts)]

    return asyncio.run(fill_quotas(job_of(groups, **settings), assess)), seen


def groups_of(quota=10, errors=3):
    train = [math_sample(f"train-{i}") for i in range(20)]
    failures = [Seed(sample=s, wrong_reply="no") for s in train[:errors]]
    return plan_groups([strategy(0), strategy(1)], train, failures, total=quota, error_share=1 / 3)


def test_exactly_the_quota_is_accepted_and_topped_up():
    result, seen = run_fill(groups_of(30), lambda b, i: i % 2 == 0)
    assert {g.group: (g.quota, g.accepted, g.shortfall) for g in result.groups} == {
        "cluster-0": (10, 10, 0),
        "cluster-1": (10, 10, 0),
        "errors": (10, 10, 0),
    }
    assert len(result.accepted) == 30
    assert len(seen) > 1


def test_a_group_that_yields_nothing_stops_at_its_budget_and_is_reported():
    result, _ = run_fill(groups_of(30), lambda b, i: b.group != "cluster-1", budget=2.0)
    shortfalls = {g.group: (g.drafted, g.shortfall) for g in result.groups}
    assert shortfalls == {"cluster-0": (10, 0), "cluster-1": (20, 10), "errors": (10, 0)}


def test_no_seed_twice_in_a_batch_even_with_few_errors():
    _, seen = run_fill(groups_of(30, errors=3), lambda b, i: True)
    for b in seen:
        ids = [s.sample.id for s in b.seeds]
        assert len(set(ids)) == len(ids)
        if b.group == "errors":
            assert len(ids) <= 3
    assert {s.sample.id for b in seen if b.group == "errors" for s in b.seeds} == {"train-0", "train-1", "train-2"}


def test_the_order_of_arrival_does_not_matter():
    calm, _ = run_fill(groups_of(30), lambda b, i: i != 1)
    for _ in range(3):
        assert run_fill(groups_of(30), lambda b, i: i != 1, arrival=lambda b: random.uniform(0, 0.02))[0] == calm


def test_no_group_waits_for_another():
    slow = {"cluster-0": 0.3, "cluster-1": 0.0}
    _, seen = run_fill(groups_of(24, errors=0), lambda b, i: i % 2 == 0, arrival=lambda b: slow[b.group])
    order = [b.group for b in seen]
    second_draw = next(i for i, b in enumerate(seen) if b.group == "cluster-0" and "round-1" in b.id)
    assert order[:second_draw].count("cluster-1") == order.count("cluster-1") > order[:second_draw].count("cluster-0")


def test_of_two_groups_that_wrote_one_question_the_later_one_draws_again():
    async def assess(attempt):
        b = attempt.batch
        same = "Who has 4 nuts and 5 more?" if b.id.endswith("round-0-0") else ""
        return [with_sample(candidate(b, i, question=same if i == 0 else "")) for i in range(len(b.seeds))]

    result = asyncio.run(fill_quotas(job_of(groups_of(8, errors=0)), assess))
    assert {g.group: (g.accepted, g.drafted) for g in result.groups} == {"cluster-0": (4, 4), "cluster-1": (4, 5)}
    assert [(c.group, c.rejected) for c in result.rejected] == [("cluster-1", "duplicate")]
    keys = [question_key(c.sample) for c in result.accepted]
    assert len(set(keys)) == len(keys) == 8


def test_another_seed_draws_other_samples():
    one, _ = run_fill(groups_of(12), lambda b, i: True, seed=1)
    two, _ = run_fill(groups_of(12), lambda b, i: True, seed=2)
    assert [c.seed_id for c in one.accepted] != [c.seed_id for c in two.accepted]


def test_a_question_is_accepted_once():
    first, _ = run_fill(groups_of(12), lambda b, i: True)
    copy = first.accepted[0].sample
    again, _ = run_fill(groups_of(12), lambda b, i: True, known=[copy])
    assert question_key(copy) not in {question_key(c.sample) for c in again.accepted}
    assert [c.rejected for c in again.rejected] == ["duplicate"]
    assert len(again.accepted) == 12

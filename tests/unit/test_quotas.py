import asyncio
import random

import pytest
from builders import batch, candidate, math_sample, strategy

from pada_ray.agents.quotas import augment_batch, even_shares, fill_quotas, plan_groups, share_of_errors
from pada_ray.data.samples import question_key
from pada_ray.errors import UnreadableReply
from pada_ray.records import BatchOutcome, Sample, Seed


def with_sample(c):
    messages = [m.model_dump() for m in c.messages]
    sample = Sample.model_validate({"id": c.id, "messages": messages, "task": "math", "answer": "9"})
    return c.model_copy(update={"sample": sample})


class Generator:
    """A candidate per seed; records what it was asked."""

    def __init__(self, unreadable_attempts=()):
        self.calls = []
        self.unreadable_attempts = unreadable_attempts

    async def generate(self, of, feedback, attempt):
        self.calls.append(([s.sample.id for s in of.seeds], dict(feedback), attempt))
        if attempt in self.unreadable_attempts:
            raise UnreadableReply("nothing")
        return [with_sample(candidate(of, i, attempt=attempt)) for i in range(len(of.seeds))]


class Judge:
    """Turns down the seeds named for an attempt."""

    def __init__(self, rejects):
        self.rejects = rejects

    async def assess(self, of, candidates):
        down = self.rejects.get(candidates[0].attempt, ())
        update = {"rejected": "low score", "feedback": "vary more"}
        return [c.model_copy(update=update) if c.seed_id in down else c for c in candidates]


def test_what_is_turned_down_is_regenerated_with_its_feedback():
    generator = Generator()
    judge = Judge({0: {"train-0", "train-2"}, 1: {"train-2"}})
    outcome = asyncio.run(augment_batch(batch(3, strategy()), generator, judge, max_regenerations=3))
    assert generator.calls == [
        (["train-0", "train-1", "train-2"], {}, 0),
        (["train-0", "train-2"], {"train-0": "vary more", "train-2": "vary more"}, 1),
        (["train-2"], {"train-2": "vary more"}, 2),
    ]
    assert [(c.seed_id, c.attempt) for c in outcome.accepted] == [("train-1", 0), ("train-0", 1), ("train-2", 2)]
    assert [(c.seed_id, c.attempt) for c in outcome.rejected] == [("train-0", 0), ("train-2", 0), ("train-2", 1)]


def test_regeneration_ends_and_what_falls_short_is_kept_apart():
    generator = Generator()
    always = {attempt: {"train-0"} for attempt in range(9)}
    outcome = asyncio.run(augment_batch(batch(1, strategy()), generator, Judge(always), max_regenerations=3))
    assert len(generator.calls) == 4
    assert outcome.accepted == []
    assert len(outcome.rejected) == 4


def test_an_unreadable_reply_counts_as_unwritten_and_is_tried_again():
    generator = Generator(unreadable_attempts={0})
    outcome = asyncio.run(augment_batch(batch(2), generator, Judge({}), max_regenerations=1))
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


def run_fill(groups, accept, *, budget=3.0, known=(), seed=0, shuffle=False, batch_size=4):
    """`accept(batch, seed index)` tells whether a draft passes."""
    seen = []

    async def run_batches(batches):
        seen.append(batches)
        outcomes = []
        for b in batches:
            drafts = [with_sample(candidate(b, i)) for i in range(len(b.seeds))]
            good = [c for i, c in enumerate(drafts) if accept(b, i)]
            bad = [c.model_copy(update={"rejected": "low score"}) for i, c in enumerate(drafts) if not accept(b, i)]
            outcomes.append(BatchOutcome(batch=b.id, accepted=good, rejected=bad))
        if shuffle:
            random.shuffle(outcomes)
        return outcomes

    result = asyncio.run(
        fill_quotas(
            groups,
            run_batches,
            iteration=1,
            batch_size=batch_size,
            candidate_budget=budget,
            known=known,
            seed=seed,
        )
    )
    return result, seen


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
    for b in seen[0]:
        ids = [s.sample.id for s in b.seeds]
        assert len(set(ids)) == len(ids)
        if b.group == "errors":
            assert len(ids) <= 3
    assert {s.sample.id for b in seen[0] if b.group == "errors" for s in b.seeds} == {"train-0", "train-1", "train-2"}


def test_the_order_of_arrival_does_not_matter():
    calm, _ = run_fill(groups_of(30), lambda b, i: i != 1)
    for _ in range(3):
        assert run_fill(groups_of(30), lambda b, i: i != 1, shuffle=True)[0] == calm


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

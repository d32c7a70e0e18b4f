import asyncio
import math
import random
from collections import Counter

import pytest
from builders import candidate, math_sample, strategy
from hypothesis import given
from hypothesis import strategies as st

from pada_ray.agents.quotas import (
    AugmentationJob,
    Group,
    dealt,
    even_shares,
    fill_quotas,
    plan_groups,
    share_of_errors,
)
from pada_ray.config import DataGenerationConfig
from pada_ray.data.samples import question_key
from pada_ray.records import Attempt, Sample, Seed


def with_sample(c):
    messages = [m.model_dump() for m in c.messages]
    sample = Sample.model_validate({"id": c.id, "messages": messages, "task": "math", "answer": "9"})
    return c.model_copy(update={"sample": sample})


class Writer:
    """A candidate per attempt, of which `rejects` says whether the screen turns it down; records what it was asked."""

    def __init__(self, rejects=lambda attempt: False, unreadable=()):
        self.batches = []
        self._rejects = rejects
        self._unreadable = unreadable

    async def __call__(self, batch):
        self.batches.append(batch)
        if len(self.batches) - 1 in self._unreadable:
            return []
        written = [with_sample(candidate(batch, i, f"Of {a.draft}?")) for i, a in enumerate(batch.attempts)]
        update = {"rejected": "wrong", "feedback": "vary more"}
        return [
            c.model_copy(update=update) if self._rejects(a) else c for c, a in zip(written, batch.attempts, strict=True)
        ]

    @property
    def rounds(self):
        """The attempts of each round: (draft, number, feedback), in the order of the draw."""
        rounds = {}
        for batch in self.batches:
            rounds.setdefault(batch.id.rpartition("-")[0], []).extend(batch.attempts)
        return [
            sorted((int(a.draft.rpartition("-")[2]), a.number, a.feedback) for a in part) for part in rounds.values()
        ]


def one_group(quota=4, pool=20, name="cluster-0"):
    seeds = [Seed(sample=math_sample(f"train-{i}")) for i in range(pool)]
    return Group(name=name, instruction="pattern_generation", strategy=strategy(), pool=seeds, quota=quota)


def fill(writer, *groups, review=None, **settings):
    return asyncio.run(fill_quotas(job_of(groups, **settings), writer, review))


def test_what_is_sent_back_is_pooled_over_the_group_with_its_feedback():
    writer = Writer(lambda a: a.number == 0 and a.draft[-1] in "157")
    result = fill(writer, one_group(quota=10), max_regenerations=3)
    assert [len(b.attempts) for b in writer.batches] == [4, 3, 3, 3]
    assert writer.rounds[1] == [(draft, 1, "vary more") for draft in (1, 5, 7)]
    assert [b.id for b in writer.batches][2:] == ["iteration-1-cluster-0-round-0-2", "iteration-1-cluster-0-round-1-0"]
    assert [(c.id[-3:], c.attempt) for c in result.rejected] == [("1-0", 0), ("5-0", 0), ("7-0", 0)]
    assert len({c.id for c in [*result.accepted, *result.rejected]}) == 13
    (report,) = result.groups
    assert (report.drafted, report.regenerated, report.asked) == (10, 3, [10, 3])


def test_regeneration_ends_and_a_new_seed_takes_its_turn():
    writer = Writer(lambda a: a.draft.endswith("-0"))
    result = fill(writer, one_group(quota=2), max_regenerations=2)
    assert [[(draft, number) for draft, number, _ in part] for part in writer.rounds] == [
        [(0, 0), (1, 0)],
        [(0, 1)],
        [(0, 2)],
        [(2, 0)],
    ]
    assert [c.attempt for c in result.rejected] == [0, 1, 2]
    assert [c.draft for c in result.accepted] == ["iteration-1-cluster-0-1", "iteration-1-cluster-0-2"]


def test_new_seeds_are_asked_for_together_with_what_was_sent_back():
    known = [math_sample("known", question="Of iteration-1-cluster-0-1?")]  # so draft 1 is a duplicate
    writer = Writer(lambda a: a.number == 0 and a.draft.endswith("-2"))
    fill(writer, one_group(), known=known, max_regenerations=3)
    assert writer.rounds[1:] == [[(2, 1, "vary more"), (4, 0, None)]]
    assert len(writer.batches) == 2


def test_an_unreadable_reply_counts_as_unwritten_and_is_asked_for_again():
    writer = Writer(unreadable={0})
    result = fill(writer, one_group(quota=2), max_regenerations=1)
    assert writer.rounds == [[(0, 0, None), (1, 0, None)], [(0, 1, None), (1, 1, None)]]
    assert (result.groups[0].unwritten, len(result.accepted)) == (2, 2)


def test_feedback_outlives_an_unreadable_reply():
    writer = Writer(lambda a: a.number == 0, unreadable={1})
    fill(writer, one_group(quota=1), max_regenerations=2)
    assert writer.rounds == [[(0, 0, None)], [(0, 1, "vary more")], [(0, 2, "vary more")]]


def test_what_passed_the_screen_is_reviewed_in_calls_that_are_full():
    shown = []

    async def review(batch, candidates):
        assert [a.draft for a in batch.attempts] == [c.draft for c in candidates]
        shown.append([c.draft for c in candidates])
        return [c.model_copy(update={"rejected": "low score"}) if c.draft.endswith("-0") else c for c in candidates]

    writer = Writer(lambda a: a.number == 0 and a.draft[-1] in "157")
    result = fill(writer, one_group(quota=10), review=review, max_regenerations=1)
    assert [len(part) for part in shown] == [7, 4, 1]  # an agent makes as many calls of each as it takes
    assert result.groups[0].reviewed == [7, 4, 1]
    assert len(result.accepted) == 10 - 1 + 1
    assert fill(Writer(), one_group().model_copy(update={"reviewed": False}), review=review).groups[0].reviewed == [0]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(1, 12))
def test_the_fewest_batches_that_hold_no_seed_twice(seeds, size):
    attempts = [Attempt(draft=str(i), seed=Seed(sample=math_sample(f"train-{s}"))) for i, s in enumerate(seeds)]
    batches = dealt(attempts, size)
    assert sorted(a.draft for batch in batches for a in batch) == sorted(a.draft for a in attempts)
    for batch in batches:
        assert 0 < len(batch) <= size
        assert len({a.seed.sample.id for a in batch}) == len(batch)
    assert len(batches) == max(math.ceil(len(seeds) / size), *Counter(seeds).values())


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
        (0, 4, 0, {"errors": 50}),
        (0, 0, 0.25, {"errors": 50}),
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


@given(st.integers(0, 4), st.integers(0, 4), st.floats(0, 1), st.integers(1, 200))
def test_the_quotas_are_always_the_size_asked_for(strategies, errors, share, total):
    seeds = [Seed(sample=math_sample(f"e{i}")) for i in range(errors)]
    groups = plan_groups([strategy(k) for k in range(strategies)], [math_sample("a")], seeds, total, share)
    assert sum(g.quota for g in groups) == total


def test_with_nothing_to_write_from_the_whole_size_is_a_shortfall():
    result, seen = run_fill(plan_groups([], [math_sample("a")], [], total=50, error_share=0.25), lambda b, i: True)
    assert seen == []
    assert [(g.quota, g.accepted, g.shortfall, g.pool) for g in result.groups] == [(50, 0, 50, 0)]


@pytest.mark.parametrize(
    ("setting", "clusters", "train_error", "val_error", "share"),
    [
        ("error_rate", 3, 0.25, 0.25, 0.5),
        ("error_rate", 3, 0.1, 0.4, 0.2),
        ("error_rate", 3, 0.0, 0.4, 0),
        ("error_rate", 3, 0.0, 0.0, 0),
        ("error_rate", 0, 0.0, 0.4, 1),
        ("cluster", 3, 0.1, 0.4, 0.25),
        ("cluster", 0, 0.1, 0.4, 1),
        (0.7, 3, 0.1, 0.4, 0.7),
        (0, 3, 0.1, 0.4, 0),
    ],
)
def test_the_share_of_training_errors(setting, clusters, train_error, val_error, share):
    assert share_of_errors(setting, clusters, train_error, val_error) == pytest.approx(share)


def job_of(groups, *, batch_size=4, budget=3.0, known=(), seed=0, max_regenerations=0):
    return AugmentationJob(
        run="run",
        iteration=1,
        groups=groups,
        known=known,
        settings=DataGenerationConfig(batch_size=batch_size, candidate_budget=budget),
        max_regenerations=max_regenerations,
        seed=seed,
    )


def run_fill(groups, accept, *, arrival=lambda batch: 0.0, **settings):
    """`accept(batch, seed index)` tells whether a draft passes, `arrival` how long a batch is on its way (seconds)."""
    seen = []

    async def write(b):
        seen.append(b)
        await asyncio.sleep(arrival(b))
        drafts = [with_sample(candidate(b, i)) for i in range(len(b.seeds))]
        return [c if accept(b, i) else c.model_copy(update={"rejected": "wrong"}) for i, c in enumerate(drafts)]

    return asyncio.run(fill_quotas(job_of(groups, **settings), write, None)), seen


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
    async def write(b):
        same = "Who has 4 nuts and 5 more?" if b.id.endswith("round-0-0") else ""
        return [with_sample(candidate(b, i, question=same if i == 0 else "")) for i in range(len(b.seeds))]

    result = asyncio.run(fill_quotas(job_of(groups_of(8, errors=0)), write, None))
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

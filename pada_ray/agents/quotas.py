"""Lines 14 to 22 of Algorithm 1: generate 𝒟_syn batch by batch under quality control, until the quotas are met.

Nothing here depends on the order in which replies arrive: batches are planned from the run's seed, and their outcomes
are taken in the order of the plan.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from rapidfuzz.distance import Indel

from pada_ray.config import ErrorShare
from pada_ray.data.samples import question_key
from pada_ray.errors import UnreadableReply
from pada_ray.randomness import generator_for
from pada_ray.records import Batch, BatchOutcome, Candidate, Record, Sample, Seed, Strategy

ERRORS = "errors"  # the group of the error branch


class Generator(Protocol):
    async def generate(self, batch: Batch, feedback: dict[str, str], attempt: int) -> list[Candidate]: ...


class Judge(Protocol):
    async def assess(self, batch: Batch, candidates: Sequence[Candidate]) -> list[Candidate]: ...


async def augment_batch(batch: Batch, generator: Generator, judge: Judge, max_regenerations: int) -> BatchOutcome:
    """Generates a batch; what quality control turns down is regenerated with its feedback (lines 17 to 22)."""
    accepted: list[Candidate] = []
    rejected: list[Candidate] = []
    feedback: dict[str, str] = {}
    pending, unwritten = batch, 0
    for attempt in range(1 + max_regenerations):
        try:
            candidates = await generator.generate(pending, feedback, attempt)
        except UnreadableReply:
            candidates = []
        unwritten += len(pending.seeds) - len(candidates)
        assessed = await judge.assess(pending, candidates) if candidates else []
        accepted += [c for c in assessed if c.rejected is None]
        rejected += [c for c in assessed if c.rejected is not None]
        feedback = {c.seed_id: c.feedback for c in assessed if c.rejected is not None}
        done = {c.seed_id for c in assessed if c.rejected is None}
        left = [seed for seed in pending.seeds if seed.sample.id not in done]
        if not left:
            break
        pending = pending.model_copy(update={"seeds": left})
    return BatchOutcome(batch=batch.id, accepted=accepted, rejected=rejected, unwritten=unwritten)


class Group(Record):
    """What to write and what to draw from (a cluster's strategy with the training set, the training errors, or another
    method's), and its share of 𝒟_syn."""

    name: str
    instruction: str
    strategy: Strategy | None = None
    pool: list[Seed]
    quota: int
    reviewed: bool = True
    keep_reply: bool = False
    max_overlap: float = 1.0  # ROUGE-L with a known question above which a new one counts as its duplicate


class GroupReport(Record):
    """What came of a group: the shortfall is what the candidate budget did not yield."""

    group: str
    strategy_name: str | None
    quota: int
    accepted: int
    drafted: int  # first drafts asked for
    regenerated: int  # candidates of later attempts
    rejected: dict[str, int]  # by reason
    unwritten: int

    @property
    def shortfall(self) -> int:
        return self.quota - self.accepted


class Augmentation(Record):
    """𝒟_syn with its history."""

    accepted: list[Candidate]
    rejected: list[Candidate]
    groups: list[GroupReport]


def share_of_errors(setting: ErrorShare, clusters: int, train_error: float, val_error: float) -> float:
    """The share of 𝒟_syn that the branch of training errors gets, by the config's `data_generation.error_share`.

    `train_error` and `val_error` are the rates, 0 to 1, at which the last model fails.
    """
    if setting == "error_rate":
        return train_error / ((train_error + val_error) or 1)
    if setting == "cluster":
        return 1 / (clusters + 1)
    return setting


def plan_groups(
    strategies: Sequence[Strategy],
    train: Sequence[Sample],
    train_failures: Sequence[Seed],
    total: int,
    error_share: float,
) -> list[Group]:
    """Gives its share of `total` to the training errors and spreads the rest evenly over the strategies. A branch with
    nothing to go on leaves all to the other."""
    errors = list(train_failures) if error_share else []
    if not strategies and not errors:
        return []
    for_errors = (round(total * error_share) if strategies else total) if errors else 0
    whole = [Seed(sample=s) for s in train]
    groups = [
        Group(name=s.group, instruction="pattern_generation", strategy=s, pool=whole, quota=share)
        for s, share in zip(strategies, even_shares(total - for_errors, len(strategies)), strict=True)
    ]
    if for_errors:
        groups.append(Group(name=ERRORS, instruction="error_generation", pool=errors, quota=for_errors))
    return groups


def even_shares(total: int, parts: int) -> list[int]:
    """`total` in `parts` that differ by one at most, the larger ones first."""
    return [total // parts + (i < total % parts) for i in range(parts)] if parts else []


async def fill_quotas(
    groups: Sequence[Group],
    run_batches: Callable[[list[Batch]], Awaitable[list[BatchOutcome]]],
    *,
    iteration: int,
    batch_size: int,
    candidate_budget: float,
    known: Iterable[Sample],
    seed: int,
) -> Augmentation:
    """Rounds of batches until every group has its quota of accepted samples, or has used up its budget of
    `candidate_budget` first drafts per sample of its quota.

    `run_batches` gives the outcome of each batch. A question that `known` or an earlier batch holds already, or that
    overlaps with one by more than its group allows, is turned down as a duplicate.
    """
    questions = KnownQuestions(known)
    accepted: dict[str, list[Candidate]] = {g.name: [] for g in groups}
    rejected: dict[str, list[Candidate]] = {g.name: [] for g in groups}
    drafted = {g.name: 0 for g in groups}
    unwritten = {g.name: 0 for g in groups}
    by_name = {g.name: g for g in groups}
    round_number = 0
    while True:
        batches: list[Batch] = []
        for group in groups:
            within_budget = int(group.quota * candidate_budget) - drafted[group.name]
            wanted = min(group.quota - len(accepted[group.name]), within_budget)
            drawn = _draw(group, wanted, iteration, round_number, batch_size, seed)
            drafted[group.name] += sum(len(b.seeds) for b in drawn)
            batches += drawn
        if not batches:
            break
        outcomes = {o.batch: o for o in await run_batches(batches)}
        for batch in batches:
            outcome = outcomes[batch.id]
            unwritten[batch.group] += outcome.unwritten
            rejected[batch.group] += outcome.rejected
            for candidate in outcome.accepted:
                if candidate.sample and questions.add(candidate.sample, by_name[batch.group].max_overlap):
                    accepted[batch.group].append(candidate)
                else:
                    rejected[batch.group].append(candidate.model_copy(update={"rejected": "duplicate"}))
        round_number += 1
    return Augmentation(
        accepted=[c for g in groups for c in accepted[g.name]],
        rejected=[c for g in groups for c in rejected[g.name]],
        groups=[_report(g, accepted[g.name], rejected[g.name], drafted[g.name], unwritten[g.name]) for g in groups],
    )


class KnownQuestions:
    """The questions of `samples`, to tell new ones from repetitions."""

    def __init__(self, samples: Iterable[Sample]):
        self._by_key = {question_key(s): _words(s) for s in samples}

    def add(self, sample: Sample, max_overlap: float) -> bool:
        """Whether the sample's question is new; then it counts as known from now on.

        With `max_overlap` below 1 it is not new either when its ROUGE-L (F1 over words) with a known one is higher.
        """
        key = question_key(sample)
        words = _words(sample)
        if key in self._by_key or (max_overlap < 1 and self._overlap(words) > max_overlap):
            return False
        self._by_key[key] = words
        return True

    def _overlap(self, words: list[str]) -> float:
        # On words, one minus the normalised insertions and deletions is twice the longest common subsequence over the
        # sum of the lengths, which is ROUGE-L's F1.
        return max((Indel.normalized_similarity(words, known) for known in self._by_key.values()), default=0.0)


def _words(sample: Sample) -> list[str]:
    return sample.question.lower().split()


def _draw(group: Group, wanted: int, iteration: int, round_number: int, batch_size: int, seed: int) -> list[Batch]:
    """Batches of seeds drawn at random from the group's pool, no seed twice in a batch."""
    order = generator_for(seed, "seeds", iteration, group.name, round_number)
    drawn: list[Batch] = []
    queue: list[Seed] = []
    while wanted > 0 and group.pool:
        if not queue:
            queue = order.sample(group.pool, len(group.pool))
        size = min(batch_size, wanted, len(queue))
        seeds, queue = queue[:size], queue[size:]
        name = f"iteration-{iteration}-{group.name}-round-{round_number}-{len(drawn)}"
        drawn.append(
            Batch(
                id=name,
                group=group.name,
                instruction=group.instruction,
                strategy=group.strategy,
                seeds=seeds,
                reviewed=group.reviewed,
                keep_reply=group.keep_reply,
            )
        )
        wanted -= size
    return drawn


def _report(
    group: Group, accepted: list[Candidate], rejected: list[Candidate], drafted: int, unwritten: int
) -> GroupReport:
    reasons = [c.rejected for c in rejected if c.rejected]
    return GroupReport(
        group=group.name,
        strategy_name=group.strategy.strategy_name if group.strategy else None,
        quota=group.quota,
        accepted=len(accepted),
        drafted=drafted,
        regenerated=sum(c.attempt > 0 for c in [*accepted, *rejected]),
        rejected={reason: reasons.count(reason) for reason in sorted(set(reasons))},
        unwritten=unwritten,
    )

"""Lines 14 to 22 of Algorithm 1: have 𝒟_syn written batch by batch under quality control, until every group has its
quota.

Nothing here depends on the order in which replies arrive. Batches are drawn by the run's seed, no group waits for
another, and what comes of batches is taken in the order in which they were drawn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from pada_ray.agents.known_questions import KnownQuestions
from pada_ray.config import DataGenerationConfig, ErrorShare
from pada_ray.randomness import generator_for
from pada_ray.records import Attempt, Batch, Candidate, Record, Sample, Seed, Strategy
from pada_ray.run import run_files
from pada_ray.storage import Folder

ERRORS = "errors"  # the group of the error branch

Assess = Callable[[Attempt], Awaitable[list[Candidate]]]
"""Has the candidates of an attempt generated, screened and judged. Each comes back with its verdict."""


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


class AugmentationFiles:
    """An iteration's augmentation in the run's folder: three files, of which `path`, what is trained on, comes last."""

    def __init__(self, run: Folder, iteration: int):
        self.path = run_files.accepted(iteration)
        self._run = run
        self._iteration = iteration

    def save(self, made: Augmentation) -> None:
        self._run.write_records(run_files.rejected(self._iteration), made.rejected)
        self._run.write_yaml(run_files.quotas(self._iteration), [g.model_dump() for g in made.groups])
        self._run.write_records(self.path, made.accepted)

    def load(self) -> Augmentation:
        quotas = self._run.read_yaml(run_files.quotas(self._iteration)) or []
        return Augmentation(
            accepted=self._run.read_records(self.path, Candidate),
            rejected=self._run.read_records(run_files.rejected(self._iteration), Candidate),
            groups=[GroupReport.model_validate(group) for group in quotas],
        )


class AugmentationJob(Record):
    """𝒟_syn of one iteration: what to write, and what it is written under."""

    run: str  # the run's folder
    iteration: int
    groups: list[Group]
    known: list[Sample]  # no new question may repeat one of theirs
    settings: DataGenerationConfig
    max_regenerations: int
    seed: int


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


class BatchOutcome(NamedTuple):
    """All candidates of a batch, over its first draft and its regenerations."""

    accepted: list[Candidate]
    rejected: list[Candidate]
    unwritten: int  # seeds for which the generator's reply gave nothing, or was unreadable


async def augment_batch(batch: Batch, assess: Assess, max_regenerations: int) -> BatchOutcome:
    """Lines 17 to 22: what quality control turns down is regenerated with its feedback."""
    accepted: list[Candidate] = []
    rejected: list[Candidate] = []
    unwritten = 0
    attempt = Attempt(batch=batch, number=0)
    while True:
        candidates = await assess(attempt)
        passed = [c for c in candidates if c.rejected is None]
        turned_down = [c for c in candidates if c.rejected is not None]
        accepted += passed
        rejected += turned_down
        unwritten += len(attempt.batch.seeds) - len(candidates)
        done = {c.seed_id for c in passed}
        left = [seed for seed in attempt.batch.seeds if seed.sample.id not in done]
        if not left or attempt.number == max_regenerations:
            return BatchOutcome(accepted, rejected, unwritten)
        attempt = Attempt(
            batch=batch.model_copy(update={"seeds": left}),
            number=attempt.number + 1,
            feedback={c.seed_id: c.feedback for c in turned_down},
        )


async def fill_quotas(job: AugmentationJob, assess: Assess) -> Augmentation:
    """Fills every group's quota with accepted samples, or uses up its budget of first drafts: `candidate_budget` for
    each sample of the quota.

    A question that is known, or overlaps with a known one by more than its group allows, is turned down as a duplicate.
    Of two groups that wrote the same question, the one that comes later in `job.groups` draws again.
    """
    known = KnownQuestions(job.known)
    groups = [_Filling(group, job) for group in job.groups]
    while any(await asyncio.gather(*(group.fill(assess, KnownQuestions(known=known)) for group in groups))):
        new = KnownQuestions()
        for group in groups:
            group.settle(new)
        known.update(new)
    return Augmentation(
        accepted=[c for g in groups for c in g.accepted],
        rejected=[c for g in groups for c in g.rejected],
        groups=[g.report() for g in groups],
    )


class _Filling:
    """A group on its way to its quota."""

    def __init__(self, group: Group, job: AugmentationJob):
        self._group = group
        self._job = job
        self.accepted: list[Candidate] = []
        self.rejected: list[Candidate] = []
        self._settled = 0  # accepted ones that no other group wrote too
        self._drafted = 0
        self._unwritten = 0
        self._draws = 0

    async def fill(self, assess: Assess, questions: KnownQuestions) -> bool:
        """Draws batches until the quota or the budget is reached. Returns whether it drew any."""
        before = self._draws
        most = self._job.max_regenerations
        while batches := self._draw():
            for outcome in await asyncio.gather(*(augment_batch(batch, assess, most) for batch in batches)):
                self._unwritten += outcome.unwritten
                self.rejected += outcome.rejected
                for candidate in outcome.accepted:
                    self._take(candidate, questions)
        return self._draws > before

    def settle(self, questions: KnownQuestions) -> None:
        """Turns down what is new here and another group, whose questions these are, has written too."""
        new, self.accepted = self.accepted[self._settled :], self.accepted[: self._settled]
        for candidate in new:
            self._take(candidate, questions)
        self._settled = len(self.accepted)

    def report(self) -> GroupReport:
        group = self._group
        reasons = [c.rejected for c in self.rejected if c.rejected]
        return GroupReport(
            group=group.name,
            strategy_name=group.strategy.strategy_name if group.strategy else None,
            quota=group.quota,
            accepted=len(self.accepted),
            drafted=self._drafted,
            regenerated=sum(c.attempt > 0 for c in [*self.accepted, *self.rejected]),
            rejected={reason: reasons.count(reason) for reason in sorted(set(reasons))},
            unwritten=self._unwritten,
        )

    def _draw(self) -> list[Batch]:
        """Batches for what the quota lacks. Their seeds are drawn at random from the pool, none twice in a batch."""
        group, job = self._group, self._job
        within_budget = int(group.quota * job.settings.candidate_budget) - self._drafted
        wanted = min(group.quota - len(self.accepted), within_budget)
        if wanted <= 0 or not group.pool:
            return []
        order = generator_for(job.seed, "seeds", job.iteration, group.name, self._draws)
        drawn: list[Batch] = []
        queue: list[Seed] = []
        while wanted > 0:
            if not queue:
                queue = order.sample(group.pool, len(group.pool))
            size = min(job.settings.batch_size, wanted, len(queue))
            seeds, queue = queue[:size], queue[size:]
            drawn.append(
                Batch(
                    id=f"iteration-{job.iteration}-{group.name}-round-{self._draws}-{len(drawn)}",
                    group=group.name,
                    instruction=group.instruction,
                    strategy=group.strategy,
                    seeds=seeds,
                    reviewed=group.reviewed,
                    keep_reply=group.keep_reply,
                )
            )
            wanted -= size
            self._drafted += size
        self._draws += 1
        return drawn

    def _take(self, candidate: Candidate, questions: KnownQuestions) -> None:
        if candidate.sample and questions.add(candidate.sample, self._group.max_overlap):
            self.accepted.append(candidate)
        else:
            self.rejected.append(candidate.model_copy(update={"rejected": "duplicate"}))

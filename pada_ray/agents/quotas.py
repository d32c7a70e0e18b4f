"""Lines 14 to 22 of Algorithm 1: have 𝒟_syn written batch by batch under quality control, until every group has its
quota.

A group goes round by round. A round asks for all that the group lacks: what quality control has sent back, and first
drafts for the rest. So its calls are as few as can be. Nothing depends on the order in which replies arrive: seeds are
drawn by the run's seed, no group waits for another, and what comes of a round is taken in the order of the draw.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal

from pydantic import Field

from pada_ray.agents.known_questions import KnownQuestions
from pada_ray.config import DataGenerationConfig, ErrorShare
from pada_ray.randomness import generator_for
from pada_ray.records import Attempt, Batch, Candidate, Record, Sample, Seed, Strategy
from pada_ray.runs import run_files
from pada_ray.storage import Folder

ERRORS = "errors"  # the group of the error branch

_REVIEWED_TOGETHER = 10  # batches; of more the judge would wait long for the first, of fewer fill its calls less

Write = Callable[[Batch], Awaitable[list[Candidate]]]
"""Has the candidates of a batch generated and screened: at most one for each attempt."""

Review = Callable[[Batch, list[Candidate]], Awaitable[list[Candidate]]]
"""Has candidates judged, the one for each attempt of a batch, in as many calls as it takes. Each comes back with its
verdict."""


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
    """What came of a group: the shortfall is what the candidate budget, or an empty pool, did not yield."""

    group: str
    strategy_name: str | None
    quota: int
    accepted: int
    drafted: int  # first drafts asked for
    regenerated: int  # candidates of later attempts
    rejected: dict[str, int]  # by reason
    unwritten: int
    pool: int = 0  # seeds that it draws from; this and what follows runs of 0.1 do not say
    asked: list[int] = Field(default_factory=list)  # attempts in each round
    reviewed: list[int] = Field(default_factory=list)  # candidates of each round that were left for the judge to rate

    @property
    def shortfall(self) -> int:
        return self.quota - self.accepted


class Augmentation(Record):
    """𝒟_syn with its history."""

    accepted: list[Candidate]
    rejected: list[Candidate]
    groups: list[GroupReport]


class AugmentationFiles:
    """An iteration's augmentation in the run's folder: three files, of which `path`, what is trained on, comes last.
    `reviewed` is what a person has made of it."""

    def __init__(self, run: Folder, iteration: int, *, reviewed: bool = False):
        files = (run_files.accepted(iteration), run_files.rejected(iteration), run_files.quotas(iteration))
        self.path, self._rejected, self._quotas = map(run_files.reviewed, files) if reviewed else files
        self._run = run

    def save(self, made: Augmentation) -> None:
        self._run.write_records(self._rejected, made.rejected)
        self._run.write_yaml(self._quotas, [g.model_dump() for g in made.groups])
        self._run.write_records(self.path, made.accepted)

    def load(self) -> Augmentation:
        quotas = self._run.read_yaml(self._quotas) or []
        return Augmentation(
            accepted=self._run.read_records(self.path, Candidate),
            rejected=self._run.read_records(self._rejected, Candidate),
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

    `train_error` and `val_error` are the rates, 0 to 1, at which the last model fails. Without clusters the branch that
    the rates would leave out gets all.
    """
    if setting == "error_rate" and not clusters:
        return 1.0
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
    quotas: Literal["even", "size"] = "even",
    near: Mapping[int, Sequence[Seed]] | None = None,
) -> list[Group]:
    """Gives its share of `total` to the training errors and spreads the rest over the strategies, evenly or by their
    clusters' sizes. A strategy draws from its seeds in `near`, by cluster, if it has any there, else from train.

    A branch with nothing to go on leaves all to the other. The quotas always add up to `total`: with neither strategies
    nor errors, the group of the errors has it whole and nothing to draw from, which its report calls a shortfall."""
    errors = list(train_failures) if error_share else []
    for_errors = total if not strategies else round(total * error_share) if errors else 0
    whole = [Seed(sample=s) for s in train]
    sizes = [s.size for s in strategies] if quotas == "size" else [1] * len(strategies)
    pools = [list((near or {}).get(s.cluster, [])) or whole for s in strategies]
    groups = [
        Group(name=s.group, instruction="pattern_generation", strategy=s, pool=pool, quota=share)
        for s, pool, share in zip(strategies, pools, shares(total - for_errors, sizes), strict=True)
    ]
    if for_errors:
        groups.append(Group(name=ERRORS, instruction="error_generation", pool=errors, quota=for_errors))
    return groups


def shares(total: int, sizes: Sequence[int]) -> list[int]:
    """`total` in parts by these sizes, rounded by the largest remainders; evenly where all are 0."""
    whole = sum(sizes)
    if not whole:
        return even_shares(total, len(sizes))
    parts = [total * size // whole for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda i: -(total * sizes[i] % whole))
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return parts


def even_shares(total: int, parts: int) -> list[int]:
    """`total` in `parts` that differ by one at most, the larger ones first."""
    return [total // parts + (i < total % parts) for i in range(parts)] if parts else []


async def fill_quotas(job: AugmentationJob, write: Write, review: Review | None) -> Augmentation:
    """Fills every group's quota with accepted samples, or uses up its budget of first drafts: `candidate_budget` for
    each sample of the quota. `review` is None without quality control.

    A question that is known, or overlaps with a known one by more than its group allows, is turned down as a duplicate.
    Of two groups that wrote the same question, the one that comes later in `job.groups` draws again.
    """
    known = KnownQuestions(job.known)
    groups = [_Filling(group, job, write, review if group.reviewed else None) for group in job.groups]
    while any(await asyncio.gather(*(group.fill(KnownQuestions(known=known)) for group in groups))):
        new = KnownQuestions()
        for group in groups:
            group.settle(new)
        known.update(new)
    return Augmentation(
        accepted=[c for g in groups for c in g.accepted],
        rejected=[c for g in groups for c in g.rejected],
        groups=[g.report() for g in groups],
    )


def dealt(attempts: Sequence[Attempt], size: int) -> list[list[Attempt]]:
    """The attempts in as few batches as hold at most `size` each and no seed twice. They differ by one in length at
    most."""
    by_seed: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        by_seed.setdefault(attempt.seed.sample.id, []).append(attempt)
    count = max(math.ceil(len(attempts) / size), *(len(same) for same in by_seed.values()))
    # Dealt out like cards, those of one seed one after another, so that they come to different batches.
    in_turn = [attempt for same in by_seed.values() for attempt in same]
    return [in_turn[i::count] for i in range(count)]


class _Filling:
    """A group on its way to its quota."""

    def __init__(self, group: Group, job: AugmentationJob, write: Write, review: Review | None):
        self._group = group
        self._job = job
        self._write = write
        self._review = review
        self._name = f"iteration-{job.iteration}-{group.name}"
        self.accepted: list[Candidate] = []
        self.rejected: list[Candidate] = []
        self._settled = 0  # accepted ones that no other group wrote too
        self._drafted = 0
        self._unwritten = 0
        self._asked: list[int] = []
        self._reviewed: list[int] = []

    async def fill(self, questions: KnownQuestions) -> bool:
        """Lines 17 to 22: goes round by round until the quota or the budget is reached. Returns whether there was any
        round."""
        before = len(self._asked)
        sent_back: list[Attempt] = []
        while attempts := [*sent_back, *self._draw(already=len(sent_back))]:
            candidates = await self._generate(attempts)
            next_attempts = [self._take(a, candidates.get(a.draft), questions) for a in attempts]
            sent_back = [attempt for attempt in next_attempts if attempt is not None]
        return len(self._asked) > before

    def settle(self, questions: KnownQuestions) -> None:
        """Turns down what is new here and another group, whose questions these are, has written too."""
        new, self.accepted = self.accepted[self._settled :], self.accepted[: self._settled]
        for candidate in new:
            self._accept(candidate, questions)
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
            pool=len(group.pool),
            asked=self._asked,
            reviewed=self._reviewed,
        )

    def _draw(self, already: int) -> list[Attempt]:
        """First drafts for what the quota lacks beside those `already` asked for. Their seeds are drawn at random.
        Within a round none comes again before each of the pool has had its turn; each round draws from the whole pool,
        whatever those before it drew."""
        group, job = self._group, self._job
        within_budget = int(group.quota * job.settings.candidate_budget) - self._drafted
        wanted = min(group.quota - len(self.accepted) - already, within_budget)
        if wanted <= 0 or not group.pool:
            return []
        order = generator_for(job.seed, "seeds", job.iteration, group.name, len(self._asked))
        seeds: list[Seed] = []
        while len(seeds) < wanted:
            seeds += order.sample(group.pool, min(len(group.pool), wanted - len(seeds)))
        first = self._drafted
        self._drafted += wanted
        return [Attempt(draft=f"{self._name}-{i}", seed=seed) for i, seed in enumerate(seeds, start=first)]

    async def _generate(self, attempts: Sequence[Attempt]) -> dict[str, Candidate]:
        """A round's candidates with their verdicts, by draft."""
        round_ = f"{self._name}-round-{len(self._asked)}"
        self._asked.append(len(attempts))
        self._reviewed.append(0)
        dealt_out = dealt(attempts, self._job.settings.batch_size)
        batches = [self._batch(f"{round_}-{i}", part) for i, part in enumerate(dealt_out)]
        together = [batches[i : i + _REVIEWED_TOGETHER] for i in range(0, len(batches), _REVIEWED_TOGETHER)]
        assessed = await asyncio.gather(*(self._assess(part) for part in together))
        return {c.draft: c for part in assessed for c in part}

    async def _assess(self, batches: Sequence[Batch]) -> list[Candidate]:
        """The candidates of batches, of which those that passed the screen are judged together."""
        written = await asyncio.gather(*(self._write(batch) for batch in batches))
        candidates = {c.id: c for part in written for c in part}
        passed = [c for c in candidates.values() if c.rejected is None]
        if self._review and passed:
            of = {attempt.draft: attempt for batch in batches for attempt in batch.attempts}
            batch = self._batch(f"{batches[0].id}-review", [of[c.draft] for c in passed])
            judged = await self._review(batch, passed)
            self._reviewed[-1] += sum(c.rejected != "not confirmed" for c in judged)
            candidates |= {c.id: c for c in judged}
        return list(candidates.values())

    def _batch(self, name: str, attempts: Sequence[Attempt]) -> Batch:
        group = self._group
        return Batch(
            id=name,
            group=group.name,
            instruction=group.instruction,
            strategy=group.strategy,
            attempts=list(attempts),
            reviewed=group.reviewed,
            keep_reply=group.keep_reply,
        )

    def _take(self, attempt: Attempt, candidate: Candidate | None, questions: KnownQuestions) -> Attempt | None:
        """Takes what came of an attempt. Returns the next attempt at it, with quality control's feedback, if that has
        sent it back and it may be regenerated."""
        if candidate and candidate.rejected is None:
            self._accept(candidate, questions)
            return None
        if candidate:
            self.rejected.append(candidate)
        else:
            self._unwritten += 1
        if attempt.number == self._job.max_regenerations:
            return None
        feedback = candidate.feedback if candidate else attempt.feedback
        return attempt.model_copy(update={"number": attempt.number + 1, "feedback": feedback})

    def _accept(self, candidate: Candidate, questions: KnownQuestions) -> None:
        if candidate.sample and questions.add(candidate.sample, self._group.max_overlap):
            self.accepted.append(candidate)
        else:
            self.rejected.append(candidate.model_copy(update={"rejected": "duplicate"}))

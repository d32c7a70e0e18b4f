"""Samples of which it is known whether they are right, given to quality control as new ones: how many of the right and
of the wrong ones it passes tells what it is worth. Within a run they are called canaries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import zip_longest
from typing import NamedTuple

from pada_ray.agents.brief import Brief
from pada_ray.agents.nearest import Nearest
from pada_ray.agents.screening import checked
from pada_ray.records import Attempt, Batch, Candidate, Sample, Seed, WrittenMessage
from pada_ray.tasks import Knowledge, get_task
from pada_ray.tasks.code import Code

RIGHT, WRONG = "right", "wrong"  # the batches of planted samples
_NEAREST = 50  # samples looked at for one with another reply
_TELLS = Fraction(4, 10)  # by how much the share of right ones that pass is above that of wrong ones


async def planted(
    known: Sequence[Sample], others: Sequence[Sample], brief: Brief, nearest: Nearest, *, wrong: bool
) -> tuple[Batch, list[Candidate]]:
    """The samples `known` as candidates, and the batch that they are of. Each stands for one that was written from the
    sample of `others` that is most like it.

    Wrong ones have the reply of that sample, the most similar one with another reply, so that they look right. A sample
    for which there is no such other is left out.
    """
    texts = [brief.frame.taken_off(s.question) for s in others]
    order = await nearest([brief.frame.taken_off(s.question) for s in known], texts, min(_NEAREST, len(others)))
    batch = Batch(id=WRONG if wrong else RIGHT, group="planted", instruction="similar_questions", attempts=[])
    candidates = []
    for sample, positions in zip(known, order, strict=True):
        fitting = (others[i] for i in positions if not wrong or _is_wrong(others[i].reference, sample, brief))
        if original := next(fitting, None):
            attempt = Attempt(draft=f"{batch.id} {sample.id}", seed=Seed(sample=original))
            batch.attempts.append(attempt)
            candidates.append(_candidate(sample, batch.id, attempt, answered_by=original if wrong else sample))
    return batch, candidates


async def half_wrong(
    known: Sequence[Sample], others: Sequence[Sample], brief: Brief, nearest: Nearest
) -> tuple[Batch, list[Candidate]]:
    """The same for one batch, half of it wrong. Right and wrong ones take turns, so that each call has some of both."""
    half = len(known) // 2
    right, rights = await planted(known[:half], others, brief, nearest, wrong=False)
    wrong, wrongs = await planted(known[half:], others, brief, nearest, wrong=True)
    in_turn = [c for pair in zip_longest(rights, wrongs) for c in pair if c is not None]
    return right.model_copy(update={"attempts": [*right.attempts, *wrong.attempts]}), in_turn


class Passed(NamedTuple):
    """Of how many right and wrong planted samples how many passed."""

    right: int
    of_right: int
    wrong: int
    of_wrong: int

    def __str__(self) -> str:
        return f"passes {self.right} of {self.of_right} right samples and {self.wrong} of {self.of_wrong} wrong ones"

    @property
    def tells(self) -> bool:
        """Whether right ones pass clearly more often than wrong ones; so too where there is nothing to compare."""
        if not self.of_right or not self.of_wrong:
            return True
        return Fraction(self.right, self.of_right) - Fraction(self.wrong, self.of_wrong) >= _TELLS


def passed(assessed: Iterable[Candidate]) -> Passed:
    """What quality control has made of planted samples."""
    verdicts: dict[str, list[bool]] = {RIGHT: [], WRONG: []}
    for candidate in assessed:
        verdicts[candidate.batch].append(candidate.rejected is None)
    right, wrong = verdicts.values()
    return Passed(sum(right), len(right), sum(wrong), len(wrong))


def as_screened(assessed: Iterable[Candidate], knowledge: Knowledge) -> list[Candidate]:
    """The same, with those turned down that the screen would have: planted samples have not gone through it, and no
    judge is asked for an answer that it finds wrong."""
    return [checked(c, c.sample, knowledge) if c.sample else c for c in assessed]


def _is_wrong(reply: str, sample: Sample, brief: Brief) -> bool:
    """Whether a reply is wrong for a sample's question: so is one in other words where only a judge or a run of its
    code could tell."""
    task = get_task(sample.task, brief.knowledge)
    return reply != sample.reference and (task.judged or task.name == Code.name or task.fails(reply, sample))


def _candidate(sample: Sample, batch: str, attempt: Attempt, answered_by: Sample) -> Candidate:
    """The question of one sample with the reply of another."""
    reply, answer = answered_by.messages[-1], answered_by.answer
    tried = sample.model_copy(update={"messages": [*sample.prompt, reply], "answer": answer})
    return Candidate(
        id=sample.id,
        draft=attempt.draft,
        batch=batch,
        group="planted",
        strategy_name=None,
        seed_id=attempt.seed.sample.id,
        attempt=0,
        messages=[WrittenMessage(role=m.role, content=m.content) for m in tried.messages],
        answer=None,
        sample=tried,
    )

"""Samples of which it is known whether they are right, as new ones that are to be checked: they tell what a check is
worth."""

from __future__ import annotations

from collections.abc import Sequence

from pada_ray.agents.brief import Brief
from pada_ray.agents.clustering import Neighbours
from pada_ray.records import Attempt, Batch, Candidate, Sample, Seed, WrittenMessage


def planted(
    known: Sequence[Sample], others: Sequence[Sample], brief: Brief, embedding: str, seed: int, *, wrong: bool
) -> tuple[Batch, list[Candidate]]:
    """The samples `known` as candidates, and the batch that they are of. Each stands for one that was written from the
    sample of `others` that is most like it.

    Wrong ones have the reply of that sample, the most similar one with another reply, so that they look right. A sample
    for which there is no such other is left out. Raises ConfigError when the embedding model cannot be loaded.
    """
    texts = [brief.frame.taken_off(s.question) for s in others]
    asked = [brief.frame.taken_off(s.question) for s in known]
    order = Neighbours(texts, embedding, seed).nearest(asked, len(others))
    attempts, candidates = [], []
    for sample, positions in zip(known, order, strict=True):
        fitting = (others[i] for i in positions if not wrong or others[i].reference != sample.reference)
        if original := next(fitting, None):
            attempt = Attempt(draft=sample.id, seed=Seed(sample=original))
            attempts.append(attempt)
            candidates.append(_candidate(sample, attempt, answered_by=original if wrong else sample))
    name = "wrong" if wrong else "right"
    batch = Batch(id=name, group="planted", instruction="similar_questions", attempts=attempts)
    return batch, candidates


def _candidate(sample: Sample, attempt: Attempt, answered_by: Sample) -> Candidate:
    """The question of one sample with the reply of another."""
    reply, answer = answered_by.messages[-1], answered_by.answer
    tried = sample.model_copy(update={"messages": [*sample.prompt, reply], "answer": answer})
    return Candidate(
        id=sample.id,
        draft=attempt.draft,
        batch="planted",
        group="planted",
        strategy_name=None,
        seed_id=attempt.seed.sample.id,
        attempt=0,
        messages=[WrittenMessage(role=m.role, content=m.content) for m in tried.messages],
        answer=None,
        sample=tried,
    )

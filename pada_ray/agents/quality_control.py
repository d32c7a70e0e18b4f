"""The Quality Control Agent (section 2.4, appendix A.4): adherence, utility and relevance of synthetic samples."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence

from pada_ray.agents.leak_guard import LeakGuard
from pada_ray.config import QualityControlConfig
from pada_ray.data.samples import question_key
from pada_ray.errors import UnreadableReply
from pada_ray.llm.ask import ask, check_one_each
from pada_ray.llm.chat import Llm
from pada_ray.llm.reply_schemas import PatternQualityReply, QualityReply
from pada_ray.prompts import Prompts
from pada_ray.records import Batch, Candidate, Message, Reason, Sample, Ratings
from pada_ray.tasks import get_task

# What chat templates use to mark turns. In a text they would pass for the template's own.
_CONTROL_TOKENS = re.compile(
    r"<[|｜][^|｜<>]{1,40}[|｜]>|</?s>|<(?:bos|eos|pad|start_of_turn|end_of_turn)>|\[/?INST\]|<</?SYS>>"
)


class QualityControlAgent:
    """Screens candidates by rule, then has them judged by another model than the one that wrote them.

    `train` are the training samples, `guard` protects the held-out ones.
    """

    def __init__(
        self,
        llm: Llm,
        settings: QualityControlConfig,
        prompts: str | None,
        max_reasks: int,
        train: Iterable[Sample],
        guard: LeakGuard,
    ):
        self._llm = llm
        self._settings = settings
        self._prompts = Prompts(prompts)
        self._max_reasks = max_reasks
        self._known_questions = {question_key(s) for s in train}
        self._guard = guard

    async def assess(self, batch: Batch, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates with their verdict: `rejected` is None for those that pass, and `feedback` says what to
        mend. In order."""
        screened = await asyncio.to_thread(self._screen_all, batch, candidates)
        passing = [c for c in screened if c.rejected is None]
        if not self._settings.enabled or not batch.reviewed or not passing:
            return screened
        size = self._settings.batch_size
        calls = [self._judge(batch, passing[i : i + size]) for i in range(0, len(passing), size)]
        judged = {c.id: c for part in await asyncio.gather(*calls) for c in part}
        return [judged.get(c.id, c) for c in screened]

    def _screen_all(self, batch: Batch, candidates: Sequence[Candidate]) -> list[Candidate]:
        seeds = {seed.sample.id: seed.sample for seed in batch.seeds}
        verify = self._settings.enabled and self._settings.verify and batch.reviewed
        return [self._screen(c, seeds[c.seed_id], verify) for c in candidates]

    def _screen(self, candidate: Candidate, seed: Sample, verify: bool) -> Candidate:
        """What can be told without a judge: form, leaks, copies of training data, verifiably wrong answers."""
        try:
            sample = as_sample(candidate, seed)
        except ValueError as e:
            return _turned_down(candidate, "malformed", str(e))
        candidate = candidate.model_copy(update={"sample": sample})
        if self._guard.leaks(sample):
            # The feedback goes back to the generator, so it must not name the words that were found.
            return _turned_down(
                candidate, "leak", "Too close to a text that must not be used; choose another situation."
            )
        if question_key(sample) in self._known_questions:
            return _turned_down(candidate, "duplicate", "This question stands in the training set; write a new one.")
        if verify:
            check = get_task(sample.task).check(sample)
            if check.verdict == "wrong":
                return _turned_down(candidate, "wrong", f"The reply is wrong: {check.reason}")
        return candidate

    async def _judge(self, batch: Batch, candidates: Sequence[Candidate]) -> list[Candidate]:
        names = [f"pair-{i}" for i in range(1, len(candidates) + 1)]
        seeds = {seed.sample.id: seed.sample for seed in batch.seeds}

        def check(reply: QualityReply) -> None:
            check_one_each([e.sample_id for e in reply.evaluations], names)

        prompt = self._prompts.render(
            "quality_control",
            strategy=batch.strategy.model_dump(exclude={"cluster", "category_name"}) if batch.strategy else None,
            pairs=[
                {
                    "sample_id": name,
                    "original": _shown(seeds[c.seed_id].messages),
                    "synthetic": _shown(c.sample.messages if c.sample else []),
                }
                for name, c in zip(names, candidates, strict=True)
            ],
        )
        reply_type = PatternQualityReply if batch.strategy else QualityReply
        try:
            reply = await ask(
                self._llm,
                prompt,
                reply_type,
                purpose="quality_control",
                max_reasks=self._max_reasks,
                check=check,
            )
        except UnreadableReply:
            return [_turned_down(c, "unscored", "The review could not be read.") for c in candidates]
        evaluations = {e.sample_id: e for e in reply.evaluations}
        scored = []
        for name, candidate in zip(names, candidates, strict=True):
            rating = evaluations[name]
            ratings = Ratings(
                adherence=getattr(rating, "adherence", None),
                utility=rating.utility,
                relevance=rating.relevance,
            )
            scored.append(candidate.model_copy(update={"ratings": ratings, "feedback": rating.feedback}))
        return self._decide(scored)

    def _decide(self, scored: list[Candidate]) -> list[Candidate]:
        """Holds the overall scores against the threshold, sample by sample or by their mean (A.4)."""
        overall = [c.ratings.overall for c in scored if c.ratings]
        if self._settings.decide == "batch":
            overall = [sum(overall) / len(overall)] * len(overall)
        return [
            c if score >= self._settings.threshold else c.model_copy(update={"rejected": "low score"})
            for c, score in zip(scored, overall, strict=True)
        ]


def as_sample(candidate: Candidate, seed: Sample) -> Sample:
    """The training sample that a candidate holds. Raises ValueError when it has not the form of its seed."""
    roles = [m.role for m in candidate.messages]
    expected = [m.role for m in seed.messages]
    if roles != expected:
        raise ValueError(f"The messages' roles must be {expected}, not {roles}.")
    if not all(m.content.strip() for m in candidate.messages):
        raise ValueError("A message is empty.")
    if any(_CONTROL_TOKENS.search(m.content) for m in candidate.messages):
        raise ValueError("A message holds control tokens of a chat template.")
    messages = [
        Message(role=seed_message.role, content=m.content.strip())
        for seed_message, m in zip(seed.messages, candidate.messages, strict=True)
    ]
    answer = get_task(seed.task).answer_of(messages) or candidate.answer
    if not answer:
        raise ValueError("No answer can be read from the reply, or the tests are missing.")
    meta = {"seed": candidate.seed_id, "strategy": candidate.strategy_name}
    return Sample(id=candidate.id, messages=messages, task=seed.task, answer=answer, meta=meta)


def _turned_down(candidate: Candidate, reason: Reason, feedback: str) -> Candidate:
    return candidate.model_copy(update={"rejected": reason, "feedback": feedback})


def _shown(messages: Sequence[Message]) -> dict[str, list[dict[str, str]]]:
    return {"messages": [m.model_dump() for m in messages]}

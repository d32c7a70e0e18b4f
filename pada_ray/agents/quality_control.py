"""The Quality Control Agent (section 2.4, appendix A.4): adherence, utility and relevance of synthetic samples."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pada_ray.agents.screening import turned_down
from pada_ray.config import QualityControlConfig
from pada_ray.errors import UnreadableReply
from pada_ray.llm.ask import ask, check_one_each
from pada_ray.llm.chat import Llm
from pada_ray.llm.reply_schemas import PatternQualityReply, QualityReply
from pada_ray.prompts import Prompts
from pada_ray.records import Batch, Candidate, Message, Ratings


class QualityControlAgent:
    """Has candidates that passed the screen rated by another model than the one that wrote them."""

    def __init__(self, llm: Llm, settings: QualityControlConfig, prompts: str | None, max_reasks: int):
        self._llm = llm
        self._settings = settings
        self._prompts = Prompts(prompts)
        self._max_reasks = max_reasks

    async def assess(self, batch: Batch, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates in order, with ratings where the judge gave some. `rejected` is None for those that pass, and
        `feedback` says what to mend."""
        passing = [c for c in candidates if c.rejected is None]
        if not self._settings.enabled or not batch.reviewed or not passing:
            return list(candidates)
        size = self._settings.batch_size
        calls = [self._judge(batch, passing[i : i + size]) for i in range(0, len(passing), size)]
        judged = {c.id: c for part in await asyncio.gather(*calls) for c in part}
        return [judged.get(c.id, c) for c in candidates]

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
            return [turned_down(c, "unscored", "The review could not be read.") for c in candidates]
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


def _shown(messages: Sequence[Message]) -> dict[str, list[dict[str, str]]]:
    return {"messages": [m.model_dump() for m in messages]}

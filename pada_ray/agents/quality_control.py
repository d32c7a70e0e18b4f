"""The Quality Control Agent (section 2.4, appendix A.4): adherence, utility and relevance of synthetic samples."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pada_ray.agents.asking import Asking
from pada_ray.agents.injection import prompts_apart
from pada_ray.agents.screening import turned_down
from pada_ray.agents.training_samples import TrainingSamples
from pada_ray.agents.verification import Verifier
from pada_ray.config import QualityControlConfig
from pada_ray.llm.ask import ask_each
from pada_ray.llm.chat import Llm
from pada_ray.llm.reply_schemas import EvaluationReply, PatternEvaluationReply
from pada_ray.prompts import Prompts
from pada_ray.records import Batch, Candidate, Ratings, Sample

_REVIEW_TOKENS = 60  # that a reply on one sample is expected to take


class QualityControlAgent:
    """Has candidates that passed the screen rated by another model than the one that wrote them."""

    def __init__(self, llm: Llm, settings: QualityControlConfig, asking: Asking, train: TrainingSamples | None = None):
        self._llm = llm
        self._settings = settings
        self._asking = asking
        self._brief = asking.brief
        self._prompts = Prompts(asking.prompts, asking.seed)
        self._verifier = Verifier(llm, settings, asking, self._prompts, train)

    async def assess(self, batch: Batch, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates in order, with ratings where the judge gave some. `rejected` is None for those that pass, and
        `feedback` says what to mend. What is verified is rated only if it is confirmed."""
        if not batch.reviewed:
            return list(candidates)
        if self._settings.confirms:
            candidates = await self._verifier.verify(batch, candidates)
        passing = [c for c in candidates if c.rejected is None]
        if not self._settings.rates or not passing:
            return list(candidates)
        size = self._settings.batch_size
        calls = [self._review(batch, passing[i : i + size]) for i in range(0, len(passing), size)]
        judged = {c.id: c for part in await asyncio.gather(*calls) for c in part}
        return [judged.get(c.id, c) for c in candidates]

    async def _review(self, batch: Batch, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates with ratings and verdict, but for those whose ratings could not be read."""
        seeds = {seed.sample.id: _text(seed.sample) for seed in batch.seeds}
        originals = [seeds[c.seed_id] for c in candidates]
        texts = [f"{_text(c)}\n{original}" for c, original in zip(candidates, originals, strict=True)]
        groups = prompts_apart(candidates, texts, originals)
        calls = [self._judge(batch, group) for group in groups]
        judged = [c for part in await asyncio.gather(*calls) for c in part]
        unscored = [turned_down(c, "unscored", "The review could not be read.") for c in judged if c.ratings is None]
        return [*unscored, *self._decide([c for c in judged if c.ratings is not None])]

    async def _judge(self, batch: Batch, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates with the ratings of one prompt, where they could be read."""
        named = {f"pair-{i}": c for i, c in enumerate(candidates, start=1)}
        seeds = {seed.sample.id: seed.sample for seed in batch.seeds}

        def prompt(names: Sequence[str]) -> str:
            pairs = [(name, named[name]) for name in names]
            return self._prompts.render(
                "quality_control",
                task=self._brief.lines,
                strategy=batch.strategy.shown if batch.strategy else None,
                pairs=[
                    {
                        "sample_id": name,
                        "original": self._brief.shown(seeds[c.seed_id].messages),
                        "synthetic": self._brief.shown(c.sample.messages if c.sample else []),
                    }
                    for name, c in pairs
                ],
            )

        entry_type: type[EvaluationReply] = PatternEvaluationReply if batch.strategy else EvaluationReply
        read = await ask_each(
            self._llm,
            dict.fromkeys(named, _REVIEW_TOKENS),
            prompt,
            entry_type,
            purpose="quality_control",
            max_reasks=self._asking.max_reasks,
        )
        return [
            c.model_copy(update={"ratings": _ratings(read[name]), "feedback": read[name].feedback})
            if name in read
            else c
            for name, c in named.items()
        ]

    def _decide(self, scored: list[Candidate]) -> list[Candidate]:
        """Holds the overall scores against the threshold, sample by sample or by their mean (A.4)."""
        overall = [c.ratings.overall for c in scored if c.ratings]
        if self._settings.decide == "batch" and scored:
            overall = [sum(overall) / len(overall)] * len(overall)
        return [
            c if score >= self._settings.threshold else c.model_copy(update={"rejected": "low score"})
            for c, score in zip(scored, overall, strict=True)
        ]


def _text(of: Candidate | Sample) -> str:
    return "\n".join(m.content for m in of.messages)


def _ratings(reply: EvaluationReply) -> Ratings:
    return Ratings(adherence=getattr(reply, "adherence", None), utility=reply.utility, relevance=reply.relevance)

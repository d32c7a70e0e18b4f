"""The Pattern Analysis Agent (section 2.2, appendix A.2): from validation failures to augmentation strategies."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pada_ray.config import PatternAnalysisConfig
from pada_ray.errors import UnreadableReply
from pada_ray.llm.ask import ask, check_one_each
from pada_ray.llm.chat import Llm
from pada_ray.llm.reply_schemas import ErrorAnalysisReply, PatternCategorizationReply, StrategyDraftingReply
from pada_ray.prompts import Prompts
from pada_ray.records import Analysis, Failure, Pattern, Strategy
from pada_ray.storage import Folder


class PatternAnalysisAgent:
    """Its subagents are sample-level error analysis, pattern categorization and strategy drafting."""

    def __init__(self, llm: Llm, settings: PatternAnalysisConfig, prompts: str | None, max_reasks: int, seed: int):
        self._llm = llm
        self._settings = settings
        self._prompts = Prompts(prompts)
        self._max_reasks = max_reasks
        self._seed = seed

    async def error_analysis(self, failures: Sequence[Failure]) -> list[Analysis]:
        """a_j for each failure e_j, in order, in calls of `batch_size`. Those of a call whose reply stays
        unreadable are missing."""
        size = self._settings.batch_size
        calls = [self._analyse(failures[i : i + size]) for i in range(0, len(failures), size)]
        return [analysis for part in await asyncio.gather(*calls) for analysis in part]

    async def cluster(self, analyses: Sequence[Analysis]) -> list[int]:
        """The cluster of each analysis, counted from 0 by falling size."""
        from pada_ray.agents.clustering import (
            cluster,  # late, since it brings scikit-learn, and not every run comes here
        )

        s = self._settings
        texts = [a.text for a in analyses]
        return await asyncio.to_thread(cluster, texts, s.embedding, s.min_clusters, s.max_clusters, self._seed)

    async def nearest(self, queries: Sequence[str], texts: Sequence[str], k: int) -> list[list[int]]:
        """For each query the positions in `texts` of the `k` most similar ones."""
        from pada_ray.agents.clustering import nearest

        return await asyncio.to_thread(nearest, queries, texts, k, self._settings.embedding, self._seed)

    async def pattern_categorization(self, clusters: dict[int, list[Analysis]]) -> list[Pattern]:
        """pattern_k for each cluster C_k, one call each. A cluster whose reply stays unreadable has none."""
        patterns = await asyncio.gather(*(self._categorize(k, members) for k, members in clusters.items()))
        return [p for p in patterns if p is not None]

    async def strategy_drafting(self, patterns: Sequence[Pattern]) -> list[Strategy]:
        """strategy_k for each pattern, drafted in one call so that they differ from each other (figure 4).

        When the call's reply stays unreadable, each pattern is tried alone.
        """
        if not patterns:
            return []
        try:
            return await self._draft(patterns)
        except UnreadableReply:
            if len(patterns) == 1:
                return []
            alone = await asyncio.gather(*(self.strategy_drafting([p]) for p in patterns))
            return [strategy for drafted in alone for strategy in drafted]

    async def _analyse(self, failures: Sequence[Failure]) -> list[Analysis]:
        wanted = range(1, len(failures) + 1)

        def check(reply: ErrorAnalysisReply) -> None:
            check_one_each([a.sample_idx for a in reply.analyses], wanted)

        prompt = self._prompts.render(
            "error_analysis",
            failures=[
                {
                    "sample_idx": i,
                    "question": f.sample.question,
                    "response": f.reply,
                    "ground_truth": f.sample.reference,
                }
                for i, f in enumerate(failures, start=1)
            ],
        )
        try:
            reply = await ask(
                self._llm,
                prompt,
                ErrorAnalysisReply,
                purpose="error_analysis",
                max_reasks=self._max_reasks,
                check=check,
            )
        except UnreadableReply:
            return []
        by_index = {a.sample_idx: a for a in reply.analyses}
        return [
            Analysis(
                sample_id=f.sample.id,
                error_cause=by_index[i].error_cause,
                scenario_category=by_index[i].scenario_category,
            )
            for i, f in enumerate(failures, start=1)
        ]

    async def _categorize(self, k: int, members: list[Analysis]) -> Pattern | None:
        prompt = self._prompts.render(
            "pattern_categorization",
            analyses=[{"error_cause": a.error_cause, "scenario_category": a.scenario_category} for a in members],
        )
        try:
            reply = await ask(
                self._llm,
                prompt,
                PatternCategorizationReply,
                purpose="pattern_categorization",
                max_reasks=self._max_reasks,
            )
        except UnreadableReply:
            return None
        return Pattern(
            cluster=k,
            category_name=reply.category_name,
            error_pattern=reply.error_pattern,
            representative_samples=reply.representative_samples,
            size=len(members),
        )

    async def _draft(self, patterns: Sequence[Pattern]) -> list[Strategy]:
        def check(reply: StrategyDraftingReply) -> None:
            if len(reply.strategies) != len(patterns):
                raise ValueError(f"Expected {len(patterns)} strategies, got {len(reply.strategies)}.")
            names = {s.strategy_name for s in reply.strategies}
            approaches = {s.generation_approach for s in reply.strategies}
            if min(len(names), len(approaches)) < len(patterns):
                raise ValueError("The strategies must differ from each other in name and approach.")

        # representative_samples stay behind: they may quote validation text.
        prompt = self._prompts.render(
            "strategy_drafting",
            patterns=[{"category_name": p.category_name, "error_pattern": p.error_pattern} for p in patterns],
        )
        reply = await ask(
            self._llm,
            prompt,
            StrategyDraftingReply,
            purpose="strategy_drafting",
            max_reasks=self._max_reasks,
            check=check,
        )
        by_name = {s.category_name: s for s in reply.strategies}
        named = all(p.category_name in by_name for p in patterns) and len(by_name) == len(patterns)
        drafted = [by_name[p.category_name] for p in patterns] if named else reply.strategies
        return [
            Strategy(
                cluster=p.cluster,
                category_name=p.category_name,
                strategy_name=s.strategy_name,
                generation_approach=s.generation_approach,
                key_elements=s.key_elements,
            )
            for p, s in zip(patterns, drafted, strict=True)
        ]


class ClusterFile:
    """The cluster of each analysis, by the failure's sample id, in a file of the run's folder. Labels come and go in
    the order of `sample_ids`."""

    def __init__(self, run: Folder, path: str, sample_ids: Sequence[str]):
        self.path = path
        self._run = run
        self._sample_ids = sample_ids

    def save(self, labels: list[int]) -> None:
        self._run.write_yaml(self.path, dict(zip(self._sample_ids, labels, strict=True)))

    def load(self) -> list[int]:
        known = self._run.read_yaml(self.path)
        return [known[name] for name in self._sample_ids]

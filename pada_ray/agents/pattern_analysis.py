"""The Pattern Analysis Agent (section 2.2, appendix A.2): from validation failures to augmentation strategies."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from pada_ray.agents.asking import Asking
from pada_ray.agents.collapse import echoes, has_collapsed, smaller
from pada_ray.agents.nearest import Finder
from pada_ray.config import PatternAnalysisConfig
from pada_ray.errors import UnreadableReply
from pada_ray.llm.ask import ask, ask_each, tokens_of
from pada_ray.llm.chat import Llm
from pada_ray.llm.reply_schemas import AnalysisReply, PatternCategorizationReply, StrategyReply
from pada_ray.prompts import Prompts
from pada_ray.records import Analysis, Failure, Mistake, MistakeCount, Pattern, Sample, Strategy
from pada_ray.storage import Folder
from pada_ray.tasks import Task, get_task

_MISTAKES = 5  # of a pattern, most
HANDFUL = 5  # training samples that a strategy is drafted from without failures
_ANALYSIS_TOKENS, _PATTERN_TOKENS, _STRATEGY_TOKENS = 80, 250, 250  # that a reply on one of them is expected to take


class PatternAnalysisAgent:
    """Its subagents are sample-level error analysis, pattern categorization and strategy drafting."""

    def __init__(self, llm: Llm, settings: PatternAnalysisConfig, asking: Asking):
        self._llm = llm
        self._settings = settings
        self._asking = asking
        self._brief = asking.brief
        self._prompts = Prompts(asking.prompts, asking.seed)
        self._finder = Finder(settings.embedding, asking.seed)

    async def error_analysis(self, failures: Sequence[Failure]) -> list[Analysis]:
        """a_j for each failure e_j, in order, in calls of `batch_size`. Those that stay unreadable are missing. What
        comes out alike for most of a call is asked for again in smaller ones."""
        return await self._analyse_in_calls(failures, self._settings.batch_size, "")

    async def _analyse_in_calls(self, failures: Sequence[Failure], size: int, within: str) -> list[Analysis]:
        parts = [failures[i : i + size] for i in range(0, len(failures), size)]
        calls = [self._analyse(part, f"{within}{number}") for number, part in enumerate(parts, start=1)]
        return [analysis for part in await asyncio.gather(*calls) for analysis in part]

    async def cluster(self, analyses: Sequence[Analysis]) -> list[int]:
        """The cluster of each analysis, counted from 0 by falling size. Failures that confuse the same two kinds stay
        together."""
        from pada_ray.agents.clustering import (
            cluster,  # late, since it brings scikit-learn, and not every run comes here
        )

        s = self._settings
        texts, confused = [a.text for a in analyses], [a.confusion for a in analyses]
        return await asyncio.to_thread(
            cluster, texts, s.embedding, s.min_clusters, s.max_clusters, self._asking.seed, confused
        )

    async def nearest(self, queries: Sequence[str], texts: Sequence[str], k: int) -> list[list[int]]:
        """For each query the positions in `texts` of the `k` most similar ones, in the embedding of the analyses."""
        return await self._finder.nearest(queries, texts, k)

    async def labels(self, queries: Sequence[str], texts: Sequence[str], labels: Sequence[str]) -> list[str]:
        """For each query the likeliest label, by a classifier of `texts` with their `labels`, in the same embedding."""
        return await self._finder.labels(queries, texts, labels)

    async def pattern_categorization(self, clusters: dict[int, list[Analysis]]) -> list[Pattern]:
        """pattern_k for each cluster C_k, one call each. A cluster whose reply stays unreadable has none."""
        patterns = await asyncio.gather(*(self._categorize(k, members) for k, members in clusters.items()))
        return [p for p in patterns if p is not None]

    async def strategy_drafting(self, patterns: Sequence[Pattern]) -> list[Strategy]:
        """strategy_k for each pattern, drafted in one call so that they differ from each other (figure 4).

        A pattern whose strategy stays unreadable is tried alone.
        """
        if not patterns:
            return []
        drafted = await self._draft(patterns)
        missing = [p for p in patterns if p.cluster not in drafted]
        if len(patterns) > 1:
            for alone in await asyncio.gather(*(self._draft([p]) for p in missing)):
                drafted |= alone
        return [drafted[p.cluster] for p in patterns if p.cluster in drafted]

    async def blind_strategy_drafting(self, handfuls: Mapping[int, Sequence[Sample]]) -> list[Strategy]:
        """A strategy for each handful of training samples, by its number, without a look at any failure; in one call so
        that they differ from each other. One that stays unreadable is missing."""
        named = {f"handful-{i + 1}": i for i in handfuls}

        def prompt(names: Sequence[str]) -> str:
            shown = {name: [self._brief.shown(s.messages) for s in handfuls[named[name]]] for name in names}
            return self._prompts.render(
                "blind_strategy_drafting",
                task=self._brief.lines,
                handfuls=[{"handful_id": name, "examples": examples} for name, examples in shown.items()],
            )

        read = await self._ask_for_strategies(named, prompt, "blind_strategy_drafting")
        return [_strategy(named[name], name.replace("-", " "), s) for name, s in read.items()]

    async def _analyse(self, failures: Sequence[Failure], call: str) -> list[Analysis]:
        found = await self.in_one_call(failures, call)
        size = smaller(len(failures))
        if size is None or not has_collapsed([analysis.error_cause for analysis in found]):
            return found
        return await self._analyse_in_calls(failures, size, f"{call}.")

    async def in_one_call(self, failures: Sequence[Failure], call: str) -> list[Analysis]:
        """What one call gives, be it all alike."""
        named = {f"failure-{i}": f for i, f in enumerate(failures, start=1)}
        known = await asyncio.to_thread(self._facts, named)  # some tasks execute code for them

        def prompt(names: Sequence[str]) -> str:
            return self._prompts.render(
                "error_analysis",
                task=self._brief.lines,
                failures=[self._shown(name, named[name], known[name]) for name in names],
            )

        read = await ask_each(
            self._llm,
            dict.fromkeys(named, _ANALYSIS_TOKENS),
            prompt,
            AnalysisReply,
            purpose="error_analysis",
            max_reasks=self._asking.max_reasks,
        )
        return [
            Analysis(
                sample_id=named[name].sample.id,
                error_cause=analysis.error_cause,
                scenario_category=analysis.scenario_category,
                question=self._brief.frame.varying(named[name].sample.messages).conversation,
                facts=known[name],
                mistakes=self._mistakes(named[name].sample, known[name]),
                call=call,
            )
            for name, analysis in read.items()
        ]

    def _task(self, sample: Sample) -> Task:
        return get_task(sample.task, self._brief.knowledge)

    def _facts(self, failures: Mapping[str, Failure]) -> dict[str, dict[str, str]]:
        """By name. Of a sample that is right, but hard, none are known."""
        return {
            name: self._task(f.sample).facts(f.sample, f.reply) if f.reply is not None else {}
            for name, f in failures.items()
        }

    def _mistakes(self, sample: Sample, facts: dict[str, str]) -> list[Mistake]:
        return self._task(sample).mistakes(sample, facts) if facts else []

    def _shown(self, name: str, failure: Failure, facts: dict[str, str]) -> dict[str, object]:
        # The leak guard protects no system message of val, and what is shown may come back in a pattern.
        turns = [message for message in failure.sample.messages if message.role != "system"]
        return {
            "sample_idx": name,
            **self._brief.asked(turns),
            "response": failure.reply,
            "ground_truth": failure.sample.reference,
            **({"facts": facts} if facts else {}),
        }

    async def _categorize(self, k: int, members: list[Analysis]) -> Pattern | None:
        prompt = self._prompts.render(
            "pattern_categorization",
            analyses=[_diagnosis(a) for a in members],
        )
        try:
            reply = await ask(
                self._llm,
                prompt,
                PatternCategorizationReply,
                purpose="pattern_categorization",
                max_reasks=self._asking.max_reasks,
                # It quotes one or two of the analyses.
                tokens=_PATTERN_TOKENS + 2 * max(tokens_of(a.error_cause) for a in members),
            )
        except UnreadableReply:
            return None
        return Pattern(
            cluster=k,
            category_name=reply.category_name,
            error_pattern=reply.error_pattern,
            representative_samples=reply.representative_samples,
            size=len(members),
            mistakes=commonest(members),
        )

    async def _draft(self, patterns: Sequence[Pattern]) -> dict[int, Strategy]:
        """The strategies that could be read, by cluster."""
        named = {f"pattern-{i}": p for i, p in enumerate(patterns, start=1)}

        def prompt(names: Sequence[str]) -> str:
            # representative_samples stay behind: they may quote validation text.
            shown = [(name, named[name]) for name in names]
            return self._prompts.render(
                "strategy_drafting",
                task=self._brief.lines,
                patterns=[
                    {
                        "pattern_id": name,
                        "category_name": p.category_name,
                        "error_pattern": p.error_pattern,
                        **({"mistakes": [m.told for m in p.mistakes]} if p.mistakes else {}),
                    }
                    for name, p in shown
                ],
            )

        categories = {p.category_name: name for name, p in named.items()}
        aliases = categories if len(categories) == len(named) else None
        read = await self._ask_for_strategies(named, prompt, "strategy_drafting", aliases)
        drafted = [(named[name], s) for name, s in read.items()]
        return {
            p.cluster: _strategy(p.cluster, p.category_name, s).model_copy(
                update={"mistakes": p.mistakes, "size": p.size}
            )
            for p, s in drafted
        }

    async def _ask_for_strategies(
        self,
        names: Iterable[str],
        prompt: Callable[[Sequence[str]], str],
        purpose: str,
        aliases: Mapping[str, str] | None = None,
    ) -> dict[str, StrategyReply]:
        return await ask_each(
            self._llm,
            dict.fromkeys(names, _STRATEGY_TOKENS),
            prompt,
            StrategyReply,
            purpose=purpose,
            max_reasks=self._asking.max_reasks,
            aliases=aliases,
            check=_check_differs,
        )


def commonest(analyses: Iterable[Analysis]) -> list[MistakeCount]:
    """The mistakes that most of a cluster's failures share, with how many have each. One that a single failure has is
    left out where others are shared."""
    by_analysis = [{mistake.text: mistake for mistake in analysis.mistakes} for analysis in analyses]
    counts = Counter(text for mistakes in by_analysis for text in mistakes)
    by_text = {text: mistake for mistakes in by_analysis for text, mistake in mistakes.items()}
    least = min(2, max(counts.values(), default=0))
    return [
        MistakeCount(text=text, kinds=by_text[text].kinds, times=times)
        for text, times in counts.most_common(_MISTAKES)
        if times >= least
    ]


def _diagnosis(analysis: Analysis) -> dict[str, object]:
    mistakes = {"mistakes": [m.text for m in analysis.mistakes]} if analysis.mistakes else {}
    return {"error_cause": analysis.error_cause, "scenario_category": analysis.scenario_category, **mistakes}


def _strategy(cluster: int, category: str, drafted: StrategyReply) -> Strategy:
    return Strategy(
        cluster=cluster,
        category_name=category,
        strategy_name=drafted.strategy_name,
        generation_approach=drafted.generation_approach,
        key_elements=drafted.key_elements,
    )


def _check_differs(drafted: StrategyReply, others: Iterable[StrategyReply]) -> None:
    for other in others:
        if drafted.strategy_name == other.strategy_name or echoes(
            [other.generation_approach, drafted.generation_approach]
        ):
            raise ValueError(f"It must differ in name and approach from the strategy {other.strategy_name[:100]!r}.")


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

"""How able an LLM is as teacher and as judge, told by one call of each kind on training samples: can its replies be
read, does it say different things of different samples, can it tell right from wrong?

What it is asked is what a run asks, in calls as large as the config's. No more is asked where a call fails, so that an
able LLM and a poor one cost the same: five calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from pada_ray.agents.asking import Asking
from pada_ray.agents.brief import Brief
from pada_ray.agents.collapse import echoes, smaller
from pada_ray.agents.data_generation import DataGenerationAgent
from pada_ray.agents.leak_guard import LeakGuard
from pada_ray.agents.pattern_analysis import PatternAnalysisAgent
from pada_ray.agents.planted import RIGHT, WRONG, half_wrong, passed, planted
from pada_ray.agents.quality_control import QualityControlAgent
from pada_ray.agents.screening import Screen
from pada_ray.agents.training_samples import TrainingSamples
from pada_ray.agents.verification import only_a_model_can_tell
from pada_ray.config import Config
from pada_ray.errors import ConfigError
from pada_ray.llm.chat import Llm
from pada_ray.randomness import shuffled
from pada_ray.records import Attempt, Batch, Candidate, Failure, Sample, Seed
from pada_ray.tasks import get_task

_ASKED = 10  # samples at most, in the calls whose size the config does not give
_FROM_ONE = 5  # drafts from one sample


class Finding(NamedTuple):
    """What a call has shown. `advice` is empty where all is well."""

    what: str
    told: str
    advice: str = ""


class Abilities:
    """Looks at the LLMs of `config` by the training samples `train`, of which some are asked about and the others are
    what a run would have. Raises ConfigError where there are too few."""

    def __init__(self, teacher: Llm, judge: Llm, config: Config, train: Sequence[Sample], brief: Brief):
        if len(train) < 4:
            raise ConfigError(f"data: {len(train)} training samples are too few to tell how able an LLM is; give 20")
        mixed = shuffled(list({s.question: s for s in train}.values()), config.seed)
        count = min(_ASKED, len(mixed) // 2)
        self._asked, self._others = mixed[:count], mixed[count:]
        self._config = config
        self._brief = brief
        asking = replace(Asking.of(config, brief), max_reasks=0)
        self._writer = DataGenerationAgent(teacher, config.data_generation, asking)
        self._analyst = PatternAnalysisAgent(teacher, config.pattern_analysis, asking)
        known = TrainingSamples(self._others, self._analyst)
        one_call = {"batch_size": 2 * _ASKED, "decide": "sample", "votes": 1}
        self._rater, self._answerer, self._classifier = (
            QualityControlAgent(judge, config.quality_control.model_copy(update=one_call | way), asking, known)
            for way in (
                {"enabled": True, "verify": "none", "judge": True},
                {"enabled": True, "verify": "agreement", "judge": False},
                {"enabled": True, "verify": "classifier", "judge": False},
            )
        )
        self._screen = Screen(config.quality_control, train, LeakGuard([], []), brief)

    async def findings(self) -> AsyncIterator[Finding]:
        """One after another, as they come."""
        for look in (self._analyses, self._drafts, self._variety, self._ratings, self._agreement, self._classified):
            if finding := await look():
                yield finding

    async def _analyses(self) -> Finding:
        asked = self._asked[: self._config.pattern_analysis.batch_size]
        _, wrong = await self._planted(asked, wrong=True)
        replies = {c.id: c.messages[-1].content for c in wrong}
        failures = [Failure(sample=s, reply=replies.get(s.id, "")) for s in asked]
        found = await self._analyst.in_one_call(failures, "ability")
        alike = echoes([a.error_cause for a in found])
        told = f"{len(found)} of {len(asked)} could be read, {alike} repeat another"
        return Finding("teacher: analyses", told, _smaller("pattern_analysis", len(asked), len(found) - alike))

    async def _drafts(self) -> Finding:
        seeds = self._asked[: self._config.data_generation.batch_size]
        found = await self._written(seeds)
        kept = [c for c in found if c.rejected is None]
        why = Counter(c.rejected for c in found if c.rejected)
        alike = echoes(self._questions(kept))
        told = f"{len(found)} of {len(seeds)} could be read, {len(kept)} are as asked for"
        told += f" ({', '.join(f'{n} {reason}' for reason, n in why.most_common())})" if why else ""
        told += f", {alike} of these repeat another" if alike else ""
        return Finding("teacher: new samples", told, _smaller("data_generation", len(seeds), len(kept) - alike))

    async def _variety(self) -> Finding:
        found = await self._written(self._asked[:1] * _FROM_ONE)
        different = len(found) - echoes(self._questions(found))
        told = f"{_FROM_ONE} drafts from one sample: {different} differ"
        well = different > _FROM_ONE / 2
        return Finding("teacher: variety", told, "" if well else "raise data_generation.temperature")

    async def _ratings(self) -> Finding | None:
        batch, known = await half_wrong(self._asked, self._others, self._brief, self._analyst.nearest)
        if not {RIGHT, WRONG} <= {c.batch for c in known}:
            return None  # all replies are one
        rated = await self._rater.assess(batch, known)
        read, found = sum(c.ratings is not None for c in rated), passed(rated)
        advice = "" if found.tells else "quality_control.judge: false, since its ratings say little"
        return Finding("judge: ratings", f"{read} of {len(rated)} could be read; it {found}", advice)

    async def _agreement(self) -> Finding | None:
        if not all(only_a_model_can_tell(s, self._brief.knowledge) for s in self._asked):
            return None
        batch, known = await self._planted(self._asked, wrong=False)
        answered = await self._answerer.assess(batch, known)
        agreed = [c.rejected is None for c in answered]
        well = sum(agreed) > len(agreed) / 2
        advice = "" if well else "another judge: with verify: agreement this one would turn down half the right samples"
        return Finding("judge: answers", f"gives {sum(agreed)} of {len(agreed)} known answers", advice)

    async def _classified(self) -> Finding | None:
        """Of a classifier of the training samples; None where it cannot tell and the config does not take it."""
        if not all(get_task(s.task, self._brief.knowledge).kind(s) for s in self._asked):
            return None
        groups = [await self._planted(self._asked, wrong=wrong) for wrong in (False, True)]
        if not all(planted for _, planted in groups):
            return None  # all replies are one
        found = passed([c for batch, planted in groups for c in await self._classifier.assess(batch, planted)])
        taken = self._config.quality_control.verify == "classifier"
        if not taken and not found.tells:
            return None
        advice = "" if found.tells else "quality_control.verify: agreement"
        told = f"{found}; it costs no call (quality_control.verify: classifier)"
        return Finding("classifier of the training samples", told, advice)

    async def _planted(self, known: Sequence[Sample], *, wrong: bool) -> tuple[Batch, list[Candidate]]:
        return await planted(known, self._others, self._brief, self._analyst.nearest, wrong=wrong)

    async def _written(self, seeds: Sequence[Sample]) -> list[Candidate]:
        attempts = [Attempt(draft=f"draft-{i}", seed=Seed(sample=s)) for i, s in enumerate(seeds)]
        batch = Batch(id=f"ability {len(seeds)}", group="ability", instruction="similar_questions", attempts=attempts)
        return self._screen.screen(batch, await self._writer.in_one_call(batch, batch.id))

    def _questions(self, candidates: Sequence[Candidate]) -> list[str]:
        return [self._brief.frame.taken_off(c.messages[-2].content) for c in candidates if len(c.messages) > 1]


def _smaller(section: str, asked: int, good: int) -> str:
    less = smaller(asked)
    if 2 * good > asked:
        return ""
    return f"{section}.batch_size: {less}" if less else "take another teacher"

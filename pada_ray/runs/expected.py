"""What the stages to come are expected to ask of LLMs, by the plan, and whether the budget holds the next of them."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import NamedTuple

from pada_ray.agents.grading import is_judged
from pada_ray.config import Config
from pada_ray.errors import ConfigError
from pada_ray.llm.account import Cost, money
from pada_ray.records import Sample, Split
from pada_ray.runs.plan import Calls, plan
from pada_ray.runs.planned_stages import planned_stages
from pada_ray.runs.stage_names import parts_of
from pada_ray.runs.state import RunState

_GENERATION = "data generation"


class Expected(NamedTuple):
    """The calls of one stage, for one purpose, on average over the stages of this kind."""

    stage: str
    role: str
    purpose: str
    calls: float
    prompt_tokens: float
    completion_tokens: float

    @property
    def tokens_per_call(self) -> int:
        return math.ceil((self.prompt_tokens + self.completion_tokens) / self.calls)


def expected_calls(
    config: Config, samples: Mapping[Split, Sequence[Sample]], finished: Container[str] = ()
) -> list[Expected]:
    """Of the stages that are not finished, in their order."""
    judged = is_judged(s for members in samples.values() for s in members)
    stages = planned_stages(config, judged)
    kinds = [parts_of(stage).kind for stage in stages]
    by_kind: dict[str, list[Calls]] = {}
    for calls in plan(config, samples).calls:
        # Other methods write new samples by prompts of their own, and quality control is part of writing them.
        named = [kind for kind in kinds if calls.purpose.endswith(kind.replace(" ", "_"))]
        by_kind.setdefault(named[0] if named else _GENERATION, []).append(calls)
    return [
        expected
        for stage, kind in zip(stages, kinds, strict=True)
        if stage not in finished
        for expected in _of_stage(stage, by_kind.get(kind, []), kinds.count(kind))
    ]


def _of_stage(stage: str, calls: Sequence[Calls], stages: int) -> Iterator[Expected]:
    for role, purpose in dict.fromkeys((c.role, c.purpose) for c in calls):
        mine = [c for c in calls if (c.role, c.purpose) == (role, purpose)]
        count, prompt, completion = (sum(c[i] for c in mine) / stages for i in (2, 3, 4))  # type: ignore[misc]
        if count:
            yield Expected(stage, role, purpose, count, prompt, completion)


def check_budget(config: Config, expected: Sequence[Expected], state: RunState | None = None, run: str = "") -> None:
    """Raises ConfigError if the budget does not hold what the next stage that asks an LLM is expected to cost. A stage
    that has begun is not looked at, since some of its replies are paid for; nor are runs that share replies."""
    budget = config.budget
    if not expected or config.llm.cache is not None or (state is not None and state.stage == expected[0].stage):
        return
    stage = expected[0].stage
    cost = _cost(config, [e for e in expected if e.stage == stage])
    spent = _spent(state)
    how = f"`pada resume {run} --set {{key}}=...`" if run else "a higher {key}"
    for key, has, takes, form in (
        ("budget.tokens", None if budget.tokens is None else budget.tokens - spent.tokens, cost.tokens, "{:,} tokens"),
        ("budget.usd", None if budget.usd is None else budget.usd - spent.usd, cost.usd, "{:.2f} USD"),
    ):
        if has is not None and has < takes:
            raise ConfigError(
                f"{key}: {form.format(has)} are left, and the next stage that asks an LLM ({stage}) is expected to "
                f"take {form.format(takes)}; `pada plan` shows all of them; use {how.format(key=key)}"
            )


def _cost(config: Config, expected: Sequence[Expected]) -> Cost:
    tokens = round(sum(e.prompt_tokens + e.completion_tokens for e in expected))
    usd = sum(
        money(getattr(config.llm, e.role).price, round(e.prompt_tokens), round(e.completion_tokens)) or 0.0
        for e in expected
    )
    return Cost(tokens, usd)


def _spent(state: RunState | None) -> Cost:
    paid = [] if state is None else [u for u in state.usage if not u.shared]
    return Cost(sum(u.prompt_tokens + u.completion_tokens for u in paid), sum(u.usd or 0.0 for u in paid))

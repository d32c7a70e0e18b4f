"""Writes new problems of the demo's domain, guided by a strategy's text."""

from __future__ import annotations

import random
from typing import Any

from pada_ray.demo import domain
from pada_ray.teacher.topics import CAUSES, SCENARIO_OF_KIND, SCENARIOS, topics_in

OFF_TOPIC = 0.1  # share of problems that stray from the strategy
CAUSE_WEIGHT = 3  # of a kind that fits scenario and cause, relative to one that fits only the scenario


def strategy_text(strategy: dict[str, Any] | None) -> str:
    return " ".join(
        str(part)
        for name in ("strategy_name", "category_name", "generation_approach", "key_elements")
        for part in [(strategy or {}).get(name, "")]
    )


def kind_weights(strategy: str, seed_kind: str) -> dict[str, int]:
    """The weight of each kind of problem under a strategy.

    The scenarios named select the kinds. The causes named only change the weights, because the teacher does
    not know exactly which kinds are meant. A text that names neither keeps the seed example's kind.
    """
    fitting = {kind for scenario in topics_in(strategy, SCENARIOS) for kind in scenario.kinds}
    prone = {kind for cause in topics_in(strategy, CAUSES) for kind in cause.kinds}
    if not fitting:
        return dict.fromkeys(sorted(prone), 1) or {seed_kind: 1}
    return {kind: CAUSE_WEIGHT if kind in prone else 1 for kind in sorted(fitting)}


def choose_kind(strategy: str, seed_kind: str, rng: random.Random) -> str:
    if rng.random() < OFF_TOPIC:
        return rng.choice(sorted(SCENARIO_OF_KIND))
    weights = kind_weights(strategy, seed_kind)
    return rng.choices(list(weights), list(weights.values()))[0]


def write_problem(kind: str, rng: random.Random, wrong: bool) -> tuple[str, str]:
    """(question, reply) of a new problem in the teacher's wording.

    Half of the wrong replies have an equation that does not hold; the other half have equations that hold
    but answer another question.
    """
    problem = domain.make(kind, "teacher", rng)
    if not wrong:
        return problem.question, problem.reply
    steps = _slip(problem, rng) if rng.random() < 0.5 else _misread(problem, rng)
    return problem.question, f"{'. '.join(steps)}. Answer: {steps[-1].split()[-1]}"


def _slip(problem: domain.Problem, rng: random.Random) -> list[str]:
    *before, last = problem.steps.split(". ")
    off = rng.choice([d for d in (-10, -2, -1, 1, 2, 10) if problem.answer + d >= 0])
    return [*before, f"{last.rsplit(' ', 1)[0]} {problem.answer + off}"]


def _misread(problem: domain.Problem, rng: random.Random) -> list[str]:
    *before, last = problem.steps.split(". ")
    if before and rng.random() < 0.5:
        return before  # stops too early
    left, operator, right, _, _ = last.split()
    a, b = int(left), int(right)
    others = {
        "+": f"{max(a, b)} - {min(a, b)} = {abs(a - b)}",
        "-": f"{a} + {b} = {a + b}",
        "*": f"{a} + {b} = {a + b}",
        "/": f"{a} - {b} = {a - b}",
    }
    step = others[operator]
    if int(step.split()[-1]) == problem.answer:  # 2 * 2 is 2 + 2, and 4 / 2 is 4 - 2
        step = f"{a} * {b} = {a * b}" if operator == "/" else f"{a} - {b} = {a - b}"
    return [*before, step]

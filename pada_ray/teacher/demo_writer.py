"""Writes new problems of the demo's domain, about what a prompt shows."""

from __future__ import annotations

import contextlib
import random
from typing import Any, NamedTuple

from pada_ray.demo import domain
from pada_ray.demo.kinds import BY_NAME
from pada_ray.teacher.topics import CAUSE, CAUSES, SCENARIO_OF_KIND, SCENARIOS, topics_in

OFF_TOPIC = 0.1  # share of problems that stray to any kind, whatever the prompt
CAUSE_WEIGHT = 3  # of a kind that is prone to a cause that the prompt shows
SEED_WEIGHT = 6  # of the seed's own kind, where the seed alone says what to write about
UNDERSTOOD_WEIGHT = 1 / 3  # of a kind that the prompt shows as answered correctly


class Shown(NamedTuple):
    """What a prompt shows of what a new problem is to be about. Prompts differ in which of it they have."""

    seed_kind: str
    strategy: str = ""
    cause: str | None = None  # for which the wrong reply went wrong, as the teacher reads it
    understood: frozenset[str] = frozenset()  # kinds that the student answered correctly


def strategy_text(strategy: dict[str, Any] | None) -> str:
    return " ".join(
        str(part)
        for name in ("strategy_name", "category_name", "generation_approach", "key_elements")
        for part in [(strategy or {}).get(name, "")]
    )


def kind_weights(shown: Shown) -> dict[str, float]:
    """The weight of each kind of problem under what is shown.

    Scenarios that the strategy names select the kinds, or else the causes that it names. Without either, the seed's
    scenario does, and in it the seed's own kind comes first. Causes only change the weights, because the teacher does
    not know exactly which kinds are meant.
    """
    named = topics_in(shown.strategy, CAUSES)
    causes = [*named, *([CAUSE[shown.cause]] if shown.cause else [])]
    prone = {kind for cause in causes for kind in cause.kinds}
    fitting = {kind for scenario in topics_in(shown.strategy, SCENARIOS) for kind in scenario.kinds}
    fitting = fitting or {kind for cause in named for kind in cause.kinds}
    own = None if fitting else shown.seed_kind
    return {
        kind: (CAUSE_WEIGHT if kind in prone else 1)
        * (SEED_WEIGHT if kind == own else 1)
        * (UNDERSTOOD_WEIGHT if kind in shown.understood else 1)
        for kind in sorted(fitting or SCENARIO_OF_KIND[shown.seed_kind].kinds)
    }


def choose_kind(shown: Shown, rng: random.Random) -> str:
    """What a new problem is about: the same rule for every prompt that asks for one."""
    if rng.random() < OFF_TOPIC:
        return rng.choice(sorted(SCENARIO_OF_KIND))
    weights = kind_weights(shown)
    return rng.choices(list(weights), list(weights.values()))[0]


def retell(problem: domain.Problem, kind: str, rng: random.Random) -> str:
    """A question of the kind with the problem's numbers that has the same reply; where the kind has none, the
    problem's own question in other words."""
    told = None
    if _operators(kind) == _operators(problem.kind):  # else there is none, and many numbers would be tried
        with contextlib.suppress(ValueError):
            told = domain.make(kind, "teacher", rng, problem.fields)
    if told is None or told.reply != problem.reply:
        told = domain.make(problem.kind, "teacher", rng, problem.fields)
    return told.question


def _operators(kind: str) -> list[str]:
    return [step.split()[1] for step in BY_NAME[kind].steps]


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

"""Strategy drafting: turns a pattern, or a handful of training samples, into a text that tells a writer what to write.

The text names the scenarios and causes found there, because the writer sees nothing else.
"""

from __future__ import annotations

import random
from typing import Any

from pada_ray.demo import domain
from pada_ray.teacher import forms
from pada_ray.teacher.chat_request import content_hash
from pada_ray.teacher.read_prompt import Prompt
from pada_ray.teacher.topics import CAUSES, SCENARIO_OF_KIND, SCENARIOS, topics_in

# (name, how to write): strategies of one reply differ in this even if their patterns are alike.
APPROACHES = (
    ("Contrast pairs", "set the hard case beside one that looks alike but is solved otherwise"),
    ("Varied wording", "tell the same relation in many different sentences"),
    ("Told from the end", "give the outcome first and ask for what led to it"),
    ("Fresh settings", "move the relation into new settings with other people and things"),
    ("Step by step", "let the reply show each step before it states the result"),
    ("Careful reading", "make the answer depend on one phrase that must be read exactly"),
    ("Graded difficulty", "go from plain cases to hard ones, one difficulty at a time"),
    ("Near misses", "choose values for which the usual mistake gives a plausible but wrong result"),
)


def draft_strategies(prompt: Prompt, key: str) -> dict[str, Any]:
    """One strategy for each pattern, each with its own approach, against the pattern's weakness."""
    strategies = {}
    for i, (name, pattern) in enumerate(prompt.named_entries("patterns").items()):
        category = str(pattern.get("category_name", ""))
        text = f"{category}. {pattern.get('error_pattern', '')}"
        rng = random.Random(f"strategy {key} {content_hash(pattern)}")
        causes = [cause.phrase(rng) for cause in topics_in(text, CAUSES, 0.3)[:2]]
        target = _target(text, rng) or category or "the weak spot"
        weakness = "; ".join(causes) or category or "the weak spot"
        strategies[name] = _strategy(target, weakness, _number_in(name, i), key)
    return strategies


def draft_blind_strategies(prompt: Prompt, key: str) -> dict[str, Any]:
    """One strategy for each handful of training samples. It names their scenarios, and no weakness."""
    strategies = {}
    for i, (name, handful) in enumerate(prompt.named_entries("handfuls").items()):
        shown = [forms.messages_of(example) for example in handful.get("examples") or []]
        problems = [domain.read(forms.question_of(messages)) for messages in shown]
        text = "; ".join(SCENARIO_OF_KIND[problem.kind].phrases[0] for problem in problems if problem)
        target = _target(text, random.Random(f"strategy {key} {content_hash(handful)}"))
        strategies[name] = _strategy(target or "all that the task may ask", None, _number_in(name, i), key)
    return strategies


def _target(text: str, rng: random.Random) -> str:
    return "; ".join(scenario.phrase(rng) for scenario in topics_in(text, SCENARIOS, 0.3)[:3])


def _strategy(target: str, weakness: str | None, number: int, key: str) -> dict[str, Any]:
    """The strategy of this `number`, whose approach the ones beside it do not have."""
    title, how = random.Random(f"strategies {key}").sample(APPROACHES, len(APPROACHES))[number % len(APPROACHES)]
    repetition = number // len(APPROACHES) + 1
    cure = f"The weakness to cure is: {weakness}. " if weakness else ""
    return {
        "strategy_name": f"{title}{f' {repetition}' if repetition > 1 else ''}: {target}",
        "generation_approach": (
            f"Write examples from this field: {target}. {cure}In each example, {how}. Vary names, things and values, "
            "and keep the form of the seed example."
        ),
        "key_elements": [
            f"a situation of the kind: {target}",
            *([f"a place where this mistake is likely: {weakness}"] if weakness else []),
            "a reply that is worked out correctly, in the form of the seed example",
        ],
    }


def _number_in(name: str, otherwise: int) -> int:
    """Which of the strategies it is, counted from 0, even if it is asked for alone."""
    number = name.rpartition("-")[2]
    return int(number) - 1 if number.isdigit() else otherwise

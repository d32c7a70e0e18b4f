"""Strategy drafting: turns a pattern into a text that tells a writer what to write.

The text names the pattern's scenarios and causes, because the writer sees nothing else.
"""

from __future__ import annotations

import random
from typing import Any

from pada_ray.teacher.chat_request import content_hash
from pada_ray.teacher.read_prompt import Prompt
from pada_ray.teacher.topics import CAUSES, SCENARIOS, topics_in

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
    """One strategy for each pattern, each with its own approach."""
    approaches = random.Random(f"strategies {key}").sample(APPROACHES, len(APPROACHES))
    strategies = {}
    for i, (name, pattern) in enumerate(prompt.named_entries("patterns").items()):
        rng = random.Random(f"strategy {key} {content_hash(pattern)}")
        number = _number_in(name, i)
        title, how = approaches[number % len(approaches)]
        repetition = number // len(approaches) + 1
        category = str(pattern.get("category_name", ""))
        text = f"{category}. {pattern.get('error_pattern', '')}"
        causes = [cause.phrase(rng) for cause in topics_in(text, CAUSES, 0.3)[:2]]
        scenarios = [scenario.phrase(rng) for scenario in topics_in(text, SCENARIOS, 0.3)[:3]]
        target = "; ".join(scenarios) or category or "the weak spot"
        weakness = "; ".join(causes) or category or "the weak spot"
        strategies[name] = {
            "strategy_name": f"{title}{f' {repetition}' if repetition > 1 else ''}: {target}",
            "generation_approach": (
                f"Write examples from this field: {target}. The weakness to cure is: {weakness}. In each "
                f"example, {how}. Vary names, things and values, and keep the form of the seed example."
            ),
            "key_elements": [
                f"a situation of the kind: {target}",
                f"a place where this mistake is likely: {weakness}",
                "a reply that is worked out correctly, in the form of the seed example",
            ],
        }
    return strategies


def _number_in(name: str, otherwise: int) -> int:
    """Which of the patterns it is, counted from 0, even if it is asked for alone."""
    number = name.rpartition("-")[2]
    return int(number) - 1 if number.isdigit() else otherwise

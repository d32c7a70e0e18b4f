"""Pattern categorization: what a group of analyses has in common."""

from __future__ import annotations

import random
import re
from collections import Counter
from typing import Any

from pada_ray.teacher.chat_request import content_hash
from pada_ray.teacher.read_prompt import Prompt
from pada_ray.teacher.topics import CAUSES, SCENARIOS, topics_in

SECOND_SHARE = 0.4  # of the mentions of the first topic: another one with so many joins the pattern

_FILLERS = """
    about after also although answer because been before being between from have here into model more most
    only other over question reply same setting since some such than that their them then there these they
    this though typical used uses what when where which while with without wrong happens instead
"""


def categorize(prompt: Prompt, key: str) -> dict[str, Any]:
    """Names the causes and scenarios that are mentioned most often, and quotes the analyses that mention them."""
    analyses = prompt.entries("analyses")
    rng = random.Random(f"pattern {key} {content_hash(analyses)}")
    causes = [str(analysis.get("error_cause", "")) for analysis in analyses]
    categories = [str(analysis.get("scenario_category", "")) for analysis in analyses]
    main_causes = topics_in("\n".join(causes), CAUSES, SECOND_SHARE)[:2]
    scenarios = topics_in("\n".join(categories), SCENARIOS, SECOND_SHARE)[:3]
    cause_names = [cause.phrase(rng) for cause in main_causes] or _frequent_words(causes)
    scenario_names = [scenario.phrase(rng) for scenario in scenarios] or _frequent(categories)
    marks = "|".join(topic.marks for topic in main_causes[:1])
    telling = [cause for cause in causes if marks and re.search(marks, cause, re.IGNORECASE)]
    sentences = [rng.choice(cause.sentences) for cause in main_causes]
    name = f"{_listed(cause_names[:1])}: {_listed(scenario_names[:2])}"
    return {
        "category_name": name[0].upper() + name[1:],
        "error_pattern": " ".join(
            [
                f"These cases share a weakness, {_listed(cause_names)}, seen with {_listed(scenario_names)}.",
                *sentences,
                "They are hard because a quick look at the surface suggests a reply that does not fit.",
            ]
        ),
        "representative_samples": (telling or causes)[:2],
    }


def _frequent(names: list[str]) -> list[str]:
    counts = Counter(name.strip() for name in names if name.strip())
    return [name[0].lower() + name[1:] for name, _ in counts.most_common(2)] or ["mixed situations"]


def _frequent_words(texts: list[str]) -> list[str]:
    words = Counter(
        word for text in texts for word in set(re.findall(r"[a-z]{4,}", text.lower())) if word not in _FILLERS.split()
    )
    return ["trouble with " + _listed([word for word, _ in words.most_common(3)] or ["the task"])]


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]

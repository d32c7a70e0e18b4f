"""Grading: rates a model's reply by the words that it shares with the reference."""

from __future__ import annotations

import random
import re
from collections import Counter
from typing import Any

from pada_ray.config.teacher import TeacherSettings
from pada_ray.teacher.chat_request import content_hash
from pada_ray.teacher.read_prompt import Prompt


def grade_replies(prompt: Prompt, settings: TeacherSettings, key: str) -> dict[str, Any]:
    """A grade for each reply; rubrics are ignored. A share `judge_error_rate` of the ratings is inverted."""
    grades = {}
    for name, entry in prompt.named_entries("replies").items():
        rating = 1 + round(9 * word_overlap(str(entry.get("reply", "")), str(entry.get("reference", ""))))
        if random.Random(f"grade {key} {content_hash(entry)}").random() < settings.judge_error_rate:
            rating = 11 - rating
        said = "much" if rating >= 7 else "little"
        feedback = f"The reply says {said} of what the reference says."
        grades[name] = {"feedback": feedback, "rating": rating}
    return grades


def word_overlap(reply: str, reference: str) -> float:
    """F1 of the words of two texts, in lower case, as SQuAD counts partial answers: 0 to 1."""
    said, due = (Counter(re.findall(r"\w+", text.lower())) for text in (reply, reference))
    shared = (said & due).total()
    return 2 * shared / (said.total() + due.total()) if shared else 0.0

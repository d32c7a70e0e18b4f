"""Answers new questions: the demo's by solving them, others as the most similar example that the prompt shows is
answered."""

from __future__ import annotations

import random
from typing import Any

from rapidfuzz import fuzz

from pada_ray.config.teacher import TeacherSettings
from pada_ray.demo import domain
from pada_ray.teacher import forms
from pada_ray.teacher.chat_request import content_hash
from pada_ray.teacher.read_prompt import Prompt


def answer_questions(prompt: Prompt, settings: TeacherSettings, key: str) -> dict[str, Any]:
    """A reply to each question. A share `judge_error_rate` are wrong, or another example's."""
    examples = [forms.messages_of(example) for example in prompt.entries("worked")]
    replies = {}
    for name, entry in prompt.named_entries("questions").items():
        rng = random.Random(f"answer {key} {content_hash(entry)}")
        question = forms.question_of(forms.messages_of(entry))
        wrong = rng.random() < settings.judge_error_rate
        problem = domain.read(question)
        if problem:
            reply = f"Answer: {problem.answer + 1}" if wrong else problem.reply
        else:
            reply = _as_the_nearest(question, examples, rng if wrong else None)
        replies[name] = {"reply": reply}
    return replies


def _as_the_nearest(question: str, examples: list[list[dict[str, str]]], rng: random.Random | None) -> str:
    if not examples:
        return "I cannot tell."
    ordered = sorted(examples, key=lambda e: -fuzz.token_set_ratio(question, forms.question_of(e)))
    return forms.reply_of(rng.choice(ordered) if rng else ordered[0])

"""The teacher's reply to a chat request: picks the rule for each prompt."""

from __future__ import annotations

import json
import random
from typing import Any, NamedTuple

from pada_ray.config.teacher import FaultName, TeacherSettings
from pada_ray.teacher.answer_questions import answer_questions
from pada_ray.teacher.chat_request import ChatRequest, content_hash
from pada_ray.teacher.diagnose import analyse_failures
from pada_ray.teacher.faults import spoil
from pada_ray.teacher.grade import grade_replies
from pada_ray.teacher.judge import evaluate_pairs
from pada_ray.teacher.patterns import categorize
from pada_ray.teacher.read_prompt import Prompt, read_prompt
from pada_ray.teacher.strategies import draft_blind_strategies, draft_strategies
from pada_ray.teacher.write_samples import rephrase, write

GREETING = (
    "Hello! I am the offline teacher of pada-ray. I answer the prompts of its loop by fixed rules and cannot "
    "help with anything else."
)


class Reply(NamedTuple):
    text: str
    prompt: str | None


def write_reply(chat: ChatRequest, settings: TeacherSettings, fault: FaultName | None = None) -> Reply:
    """The reply, a pure function of the request, the settings and the fault.

    What it says about an entry depends on that entry, the strategy and what the call is for, not on the entries beside
    it nor on what is said about unreadable replies. So a run with faults ends with the same data as one without.
    """
    prompt = read_prompt(chat.messages)
    if prompt is None:
        text = GREETING
    else:
        key = content_hash([settings.seed, chat.model, chat.temperature, chat.seed, prompt.name, prompt.strategy])
        text = json.dumps(answer(prompt, settings, key), ensure_ascii=False)
    text = spoil(text, fault, random.Random(f"spoil {settings.seed} {chat.content}"))
    return Reply(text, prompt.name if prompt else None)


def answer(prompt: Prompt, settings: TeacherSettings, key: str) -> dict[str, Any]:
    """The JSON object that a prompt asks for. `key` seeds every draw."""
    match prompt.name:
        case "error_analysis":
            return analyse_failures(prompt, settings, key)
        case "pattern_categorization":
            return categorize(prompt, key)
        case "strategy_drafting":
            return draft_strategies(prompt, key)
        case "blind_strategy_drafting":
            return draft_blind_strategies(prompt, key)
        case "pattern_generation":
            return write(prompt, settings, key, "examples")
        case "error_generation":
            return write(prompt, settings, key, "errors")
        case "similar_questions":
            return write(prompt, settings, key, "exemplars")
        case "rephrasing":
            return rephrase(prompt, settings, key)
        case "answering":
            return answer_questions(prompt, settings, key)
        case "quality_control":
            return evaluate_pairs(prompt, settings, key)
        case "grading":
            return grade_replies(prompt, settings, key)
    raise ValueError(f"no rule for prompt {prompt.name!r}")

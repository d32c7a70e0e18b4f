"""Answers the prompts that ask for samples: one new sample for each example shown."""

from __future__ import annotations

import random
from typing import Any

from pada_ray.config.teacher import TeacherSettings
from pada_ray.demo import domain
from pada_ray.teacher import forms
from pada_ray.teacher.chat_request import content_hash
from pada_ray.teacher.demo_writer import choose_kind, strategy_text, write_problem
from pada_ray.teacher.read_prompt import Prompt
from pada_ray.teacher.rewrites import rewrite, with_opening


def write_for_strategy(prompt: Prompt, settings: TeacherSettings, key: str) -> dict[str, Any]:
    """A sample for each example, of a kind that the strategy's text calls for (figure 5 of the paper)."""
    return _write(prompt, settings, key, "examples", strategy_text(prompt.strategy))


def write_more(prompt: Prompt, settings: TeacherSettings, key: str, tag: str) -> dict[str, Any]:
    """A sample for each example or training error (figure 6 of the paper) under `tag`, of its own kind."""
    return _write(prompt, settings, key, tag, None)


def rephrase(prompt: Prompt, settings: TeacherSettings, key: str) -> dict[str, Any]:
    """Each example with its question in other words. A share `meaning_lost_rate` asks something else."""
    samples = {}
    for name, example in prompt.named_entries("originals").items():
        rng = random.Random(f"rephrase {key} {content_hash(example)}")
        messages = _messages_of(example)
        question, reply = forms.question_of(messages), forms.reply_of(messages)
        lost = rng.random() < settings.meaning_lost_rate
        problem = domain.read(question)
        if problem:
            kept = {field: value for field, value in problem.fields.items() if not (lost and isinstance(value, int))}
            question = domain.make(problem.kind, "teacher", rng, kept).question
        else:
            question = with_opening(question, rng)
        samples[name] = _sample(example, _with_last_turn(messages, question, reply))
    return samples


def _write(prompt: Prompt, settings: TeacherSettings, key: str, tag: str, strategy: str | None) -> dict[str, Any]:
    wrong_rate = settings.wrong_rate_with_feedback if prompt.entries("feedback") else settings.wrong_rate
    samples = {}
    for name, example in prompt.named_entries(tag).items():
        rng = random.Random(f"write {key} {content_hash(example)}")
        messages = _messages_of(example)
        answer = example["answer"] if isinstance(example.get("answer"), str) else None
        wrong = rng.random() < wrong_rate
        problem = domain.read(forms.question_of(messages))
        if problem:
            kind = problem.kind if strategy is None else choose_kind(strategy, problem.kind, rng)
            messages = _with_last_turn(messages, *write_problem(kind, rng, wrong))
        else:
            messages = rewrite(messages, answer, rng, wrong)
        samples[name] = _sample(example, messages)
    return samples


def _sample(example: dict[str, Any], messages: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "messages": messages,
        "answer": example["answer"] if isinstance(example.get("answer"), str) else None,
    }


def _messages_of(example: dict[str, Any]) -> list[dict[str, str]]:
    return [
        {"role": str(message.get("role", "user")), "content": str(message.get("content", ""))}
        for message in example.get("messages") or []
    ]


def _with_last_turn(messages: list[dict[str, str]], question: str, reply: str) -> list[dict[str, str]]:
    return [
        *messages[:-2],
        {"role": "user", "content": question},
        {"role": "assistant", "content": reply},
    ]

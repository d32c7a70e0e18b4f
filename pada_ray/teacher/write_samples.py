"""Answers the prompts that ask for samples: one new sample for each example shown."""

from __future__ import annotations

import random
from typing import Any

from pada_ray.config.teacher import TeacherSettings
from pada_ray.demo import domain
from pada_ray.teacher import forms
from pada_ray.teacher.chat_request import content_hash
from pada_ray.teacher.demo_writer import Shown, choose_kind, retell, strategy_text, write_problem
from pada_ray.teacher.diagnose import demo_cause
from pada_ray.teacher.read_prompt import Prompt
from pada_ray.teacher.rewrites import rewrite, with_opening
from pada_ray.teacher.topics import CAUSES


def write(prompt: Prompt, settings: TeacherSettings, key: str, tag: str) -> dict[str, Any]:
    """A sample for each entry under `tag`: an example, with a strategy or without (figure 5 of the paper), or an error
    (figure 6)."""
    wrong_rate = settings.wrong_rate_with_feedback if prompt.entries("feedback") else settings.wrong_rate
    samples = {}
    for name, entry in prompt.named_entries(tag).items():
        rng = random.Random(f"write {key} {content_hash(entry)}")
        messages = forms.messages_of(entry)
        answer = entry["answer"] if isinstance(entry.get("answer"), str) else None
        wrong = rng.random() < wrong_rate
        problem = domain.read(forms.question_of(messages))
        if problem:
            shown = _shown(problem, entry, strategy_text(prompt.strategy), settings.misread_rate, rng)
            messages = _with_last_turn(messages, *write_problem(choose_kind(shown, rng), rng, wrong))
        else:
            messages = rewrite(messages, answer, rng, wrong)
        samples[name] = _sample(entry, messages)
    return samples


def rephrase(prompt: Prompt, settings: TeacherSettings, key: str) -> dict[str, Any]:
    """Each example with its question in other words. A share `meaning_lost_rate` asks something else."""
    samples = {}
    for name, example in prompt.named_entries("originals").items():
        rng = random.Random(f"rephrase {key} {content_hash(example)}")
        messages = forms.messages_of(example)
        question, reply = forms.question_of(messages), forms.reply_of(messages)
        lost = rng.random() < settings.meaning_lost_rate
        problem = domain.read(question)
        if problem and lost:
            words = {field: value for field, value in problem.fields.items() if not isinstance(value, int)}
            question = domain.make(problem.kind, "teacher", rng, words).question
        elif problem:
            question = retell(problem, choose_kind(Shown(problem.kind), rng), rng)
        else:
            question = with_opening(question, rng)
        samples[name] = _sample(example, _with_last_turn(messages, question, reply))
    return samples


def _shown(
    problem: domain.Problem, entry: dict[str, Any], strategy: str, misread_rate: float, rng: random.Random
) -> Shown:
    """What a prompt shows beside one entry's `problem`. A share `misread_rate` of wrong replies is misunderstood."""
    wrong_reply, cause = str(entry.get("wrong_reply") or ""), None
    if wrong_reply:
        cause = demo_cause(problem.question, wrong_reply, problem.reply)
        if rng.random() < misread_rate:
            cause = rng.choice([c.name for c in CAUSES if c.kinds and c.name != cause])
    right = [domain.read(forms.question_of(forms.messages_of(s))) for s in entry.get("answered_correctly") or []]
    return Shown(problem.kind, strategy, cause, frozenset(other.kind for other in right if other))


def _sample(example: dict[str, Any], messages: list[dict[str, str]]) -> dict[str, Any]:
    turn = {"question": forms.question_of(messages), "reply": forms.reply_of(messages)}
    written: dict[str, Any] = turn if "question" in example else {"messages": messages}
    return written | {"answer": example["answer"] if isinstance(example.get("answer"), str) else None}


def _with_last_turn(messages: list[dict[str, str]], question: str, reply: str) -> list[dict[str, str]]:
    return [
        *messages[:-2],
        {"role": "user", "content": question},
        {"role": "assistant", "content": reply},
    ]

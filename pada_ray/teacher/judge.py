"""Quality control: rates new samples by solving them where possible, else by comparison with the original.

Utility is 8 to 10 for a sample that seems right and 1 to 3 for one that seems wrong. A wrong sample also gets
middling ratings for the rest, as real judges tend to give.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from pada_ray.config.teacher import TeacherSettings
from pada_ray.demo import domain
from pada_ray.teacher import forms
from pada_ray.teacher.chat_request import content_hash
from pada_ray.teacher.demo_writer import strategy_text
from pada_ray.teacher.names import without_names
from pada_ray.teacher.read_prompt import Prompt
from pada_ray.teacher.rewrite_code import normal_form
from pada_ray.teacher.topics import SCENARIO_OF_KIND, SCENARIOS, topics_in

_DEMO_REPLY = re.compile(r"\d+ [-+*/] \d+ = \d+(\. \d+ [-+*/] \d+ = \d+)*\. Answer: \d+")
_PRAISE = (
    "Correct and in the right form; nothing to mend.",
    "The reply holds up when worked out; keep it as it is.",
    "A sound example in the form of its original.",
)
_DOUBT = "The result does not seem right; work it out again."


@dataclass(frozen=True)
class Verdict:
    """What the judge found. `fault` names what is wrong with the reply, None if nothing."""

    fault: str | None = None
    off_strategy: bool = False
    off_form: str | None = None


def evaluate_pairs(prompt: Prompt, settings: TeacherSettings, key: str) -> dict[str, Any]:
    """One evaluation for each pair, with adherence only where the prompt shows a strategy (figure 7).

    A share `judge_error_rate` of the verdicts on the reply is inverted.
    """
    strategy = prompt.strategy
    evaluations = {}
    for name, pair in prompt.named_entries("pairs").items():
        rng = random.Random(f"judge {key} {content_hash(pair)}")
        verdict = examine(pair, strategy)
        if rng.random() < settings.judge_error_rate:
            fault = None if verdict.fault else _DOUBT
            verdict = Verdict(fault, verdict.off_strategy, verdict.off_form)
        evaluations[name] = _rate(verdict, strategy is not None, rng)
    return evaluations


def examine(pair: dict[str, Any], strategy: dict[str, Any] | None) -> Verdict:
    """The verdict on an `original` and a `synthetic` example."""
    original, synthetic = (forms.messages_of(pair.get(name)) for name in ("original", "synthetic"))
    off_form = _form_fault(original, synthetic)
    if forms.question_of(original) == forms.question_of(synthetic):
        return Verdict("The example repeats its original; write a new one.", off_form=off_form)
    if domain.read(forms.question_of(original)):
        problem = domain.read(forms.question_of(synthetic))
        if problem is None:
            return Verdict("The question has no definite answer; say what is asked.", off_form=off_form)
        return Verdict(
            _demo_fault(problem, forms.reply_of(synthetic)),
            _strays(problem, strategy),
            off_form or _demo_form_fault(forms.reply_of(synthetic)),
        )
    return Verdict(_fault(original, synthetic), off_form=off_form)


def _rate(verdict: Verdict, with_adherence: bool, rng: random.Random) -> dict[str, Any]:
    good, middling, poor = (8, 10), (5, 8), (1, 3)
    ratings: dict[str, Any] = {}
    if with_adherence:
        span = (2, 4) if verdict.off_strategy else middling if verdict.fault else good
        ratings["adherence"] = rng.randint(*span)
    ratings["utility"] = rng.randint(*(poor if verdict.fault else good))
    ratings["relevance"] = rng.randint(*((2, 4) if verdict.off_form else middling if verdict.fault else good))
    remarks = [remark for remark in (verdict.fault, verdict.off_form) if remark]
    if verdict.off_strategy and with_adherence:
        remarks.append("The situation is not the one that the strategy asks for; choose one that is.")
    return {"feedback": " ".join(remarks) or rng.choice(_PRAISE), **ratings}


def _form_fault(original: list[dict[str, Any]], synthetic: list[dict[str, Any]]) -> str | None:
    if [m.get("role") for m in original] != [m.get("role") for m in synthetic]:
        return "Keep the roles of the original's messages."
    if "Answer:" in forms.reply_of(original) and "Answer:" not in forms.reply_of(synthetic):
        return "Mark the final answer as the original does."
    if "####" in forms.reply_of(original) and "####" not in forms.reply_of(synthetic):
        return "Mark the final answer as the original does."
    return None


def _demo_form_fault(reply: str) -> str | None:
    if _DEMO_REPLY.fullmatch(reply.strip()):
        return None
    return "Lay out the reply as equations followed by the answer, as the original does."


def _demo_fault(problem: domain.Problem, reply: str) -> str | None:
    """What is wrong with a reply: its steps must hold, be complete and lead to the answer."""
    equations, due = forms.equations_of(reply), forms.equations_of(problem.steps)
    if any(not equation.holds for equation in equations):
        return "An equation does not hold; calculate it again."
    if forms.final_number(reply) == problem.answer and len(equations) >= len(due):
        return None
    if len(equations) < len(due):
        return "A step of the solution is missing; carry it through to what is asked."
    return "The equations hold but answer another question; choose the operation that this question needs."


def _strays(problem: domain.Problem, strategy: dict[str, Any] | None) -> bool:
    asked_for = topics_in(strategy_text(strategy), SCENARIOS)
    return bool(asked_for) and SCENARIO_OF_KIND[problem.kind] not in asked_for


def _fault(original: list[dict[str, Any]], synthetic: list[dict[str, Any]]) -> str | None:
    """What is wrong with a sample of other data, by comparison with its original."""
    form = forms.form_of(original)
    reply = forms.reply_of(synthetic)
    if not reply.strip():
        return "The reply is empty; give one."
    if form == "multiple_choice":
        return _choice_fault(original, synthetic)
    if form == "code":
        return _code_fault(original, synthetic)
    if form == "extractive":
        return _span_fault(original, synthetic)
    if form == "number":
        return _number_fault(original, synthetic)
    shorter = len(reply.split()) < 0.6 * len(forms.reply_of(original).split())
    return "The reply breaks off; complete it." if shorter else None


def _choice_fault(original: list[dict[str, Any]], synthetic: list[dict[str, Any]]) -> str | None:
    texts = []
    for messages in (original, synthetic):
        options = {o.letter: without_names(o.text) for o in forms.options_of(forms.question_of(messages))}
        texts.append((sorted(options.values()), options.get(forms.letter_of(forms.reply_of(messages)) or "")))
    (old_options, old_choice), (new_options, new_choice) = texts
    if new_choice is None:
        return "The reply names no option of the question; give the letter of one."
    if old_options == new_options and old_choice != new_choice:
        return "The letter points to an option that is not the right one; check each option again."
    return None


def _code_fault(original: list[dict[str, Any]], synthetic: list[dict[str, Any]]) -> str | None:
    old, new = (normal_form(forms.code_of(forms.reply_of(m)) or "") for m in (original, synthetic))
    if new is None:
        return "The code does not parse; mend its syntax."
    names = [re.findall(r"FunctionDef\(name='(\w+)'", form or "") for form in (old, new)]
    if names[0] == names[1] and old != new:
        return "The code does not do what its description says; test it on the examples given."
    return None


def _span_fault(original: list[dict[str, Any]], synthetic: list[dict[str, Any]]) -> str | None:
    old, new = forms.reply_of(original).strip(), forms.reply_of(synthetic).strip()
    question = forms.question_of(synthetic)
    if new not in question:
        return "The answer is not a span of the passage; copy it exactly."
    if _asked(question) == _asked(forms.question_of(original)) and new != old and old in question:
        return "The span does not answer what is asked; find the one that does."
    return None


def _asked(question: str) -> str:
    return question[forms.after_label(question) :]


def _number_fault(original: list[dict[str, Any]], synthetic: list[dict[str, Any]]) -> str | None:
    old, new = (forms.reply_of(messages) for messages in (original, synthetic))
    if forms.final_number(new) is None:
        return "The reply gives no final number; end with one."
    given = [Counter(forms.numbers_of(forms.question_of(messages))) for messages in (original, synthetic)]
    if given[0] == given[1] and forms.final_number(old) != forms.final_number(new):
        return "The final number does not follow from the values given; work it out again."
    if any(not e.holds for e in forms.equations_of(new)) and all(e.holds for e in forms.equations_of(old)):
        return "An equation does not hold; calculate it again."
    return None

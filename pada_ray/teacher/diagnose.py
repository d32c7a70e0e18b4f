"""Error analysis: finds why a reply is wrong, from the question, the reply and the reference only."""

from __future__ import annotations

import ast
import random
import re
from typing import Any

from pada_ray.config.teacher import TeacherSettings
from pada_ray.demo import domain
from pada_ray.teacher import forms
from pada_ray.teacher.chat_request import content_hash
from pada_ray.teacher.read_prompt import Prompt
from pada_ray.teacher.topics import CAUSE, CAUSES, SCENARIO_OF_KIND, SCENARIOS

# The operation that a word of the question suggests to a hasty reader.
_SIGNAL_WORDS = {
    "+": r"\b(more|gets|got|found|finds|together|later|adds?|bought)\b",
    "-": r"\b(gave|gives|fewer|less|left|lost|broke|sold|rest|ago)\b",
}
_QUESTION_WORD = re.compile(r"\b(how many|how much|which|what|who|when|where|why|how)\b", re.IGNORECASE)
_NEGATION = re.compile(r"\b(not|except|least|never)\b", re.IGNORECASE)


def analyse_failures(prompt: Prompt, settings: TeacherSettings, key: str) -> dict[str, Any]:
    """One analysis for each failure. A share `misread_rate` of them names another cause and scenario."""
    analyses = {}
    for name, failure in prompt.named_entries("failures").items():
        rng = random.Random(f"diagnose {key} {content_hash(failure)}")
        question = forms.question_of(forms.messages_of(failure))
        response, truth = (str(failure.get(name, "")) for name in ("response", "ground_truth"))
        problem = domain.read(question)
        if problem:
            cause, scenario = demo_cause(question, response, truth), SCENARIO_OF_KIND[problem.kind]
            if rng.random() < settings.misread_rate:
                cause = rng.choice([c.name for c in CAUSES if c.kinds and c.name != cause])
                scenario = rng.choice([s for s in SCENARIOS if s is not scenario])
            situation = scenario.phrase(rng)
        else:
            cause, situation = _cause(question, response, truth), _situation(question, truth)
            if rng.random() < settings.misread_rate:
                cause = rng.choice([c.name for c in CAUSES if c.name != cause])
        sentence = rng.choice(CAUSE[cause].sentences)
        analyses[name] = {
            "error_cause": f"{sentence} {_where(situation, rng)}",
            "scenario_category": situation[0].upper() + situation[1:],
        }
    return analyses


def _where(scenario: str, rng: random.Random) -> str:
    return rng.choice(("It happens with {}.", "Typical of {}.", "The setting is {}.")).format(scenario)


def demo_cause(question: str, response: str, truth: str) -> str:
    """The name of the cause for which a wrong response to a question of the demo went wrong."""
    got, due = forms.equations_of(response), forms.equations_of(truth)
    if not got or "Answer:" not in response:
        return "no answer"
    if any(not equation.holds for equation in got):
        return "miscalculation"
    if len(got) != len(due):
        return "missing step" if len(got) < len(due) else "extra step"
    for mine, theirs in zip(got, due, strict=True):
        if mine == theirs:
            continue
        used, needed = {mine.left, mine.right}, {theirs.left, theirs.right}
        if used - needed:
            given = set(forms.numbers_of(question))
            return "unneeded number" if used <= given else "wrong value"
        if mine.operator == theirs.operator:
            return "order"
        if {mine.operator, theirs.operator} not in ({"+", "-"}, {"*", "/"}):
            return "other operation"
        signal = _SIGNAL_WORDS.get(mine.operator)
        return "signal word" if signal and re.search(signal, question) else "opposite operation"
    return "miscalculation"


def _cause(question: str, response: str, truth: str) -> str:
    """The cause for data other than the demo's, by surface features."""
    if not response.strip():
        return "no answer"
    form = forms.form_of([{"role": "user", "content": question}, {"role": "assistant", "content": truth}])
    if form == "multiple_choice":
        return _option_cause(question, response, truth)
    if form == "code":
        return _code_cause(response)
    if form == "extractive":
        return _span_cause(question, response, truth)
    if form == "number":
        return _number_cause(response, truth)
    return "other text"


def _option_cause(question: str, response: str, truth: str) -> str:
    options = {option.letter: option.text for option in forms.options_of(question)}
    chosen, right = options.get(forms.letter_of(response) or ""), options.get(forms.letter_of(truth) or "")
    if chosen is None or right is None:
        return "no answer"
    stem = _words(question.split("\nA")[0])
    if len(_words(chosen) & stem) > len(_words(right) & stem):
        return "tempting option"
    return "long option" if len(chosen) == max(map(len, options.values())) else "other option"


def _code_cause(response: str) -> str:
    try:
        ast.parse(forms.code_of(response) or response)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "broken code"
    return "faulty logic"


def _span_cause(question: str, response: str, truth: str) -> str:
    got, due = response.strip().lower(), truth.strip().lower()
    if due in got:
        return "span too long"
    if got in due:
        return "span too short"
    return "other span" if got in question.lower() else "no answer"


def _number_cause(response: str, truth: str) -> str:
    got = forms.final_number(response)
    if got is None:
        return "no answer"
    if any(not equation.holds for equation in forms.equations_of(response)):
        return "miscalculation"
    if got != forms.final_number(truth) and got in forms.numbers_of(truth)[:-1]:
        return "early final number"
    return "other number"


def _situation(question: str, truth: str) -> str:
    """A scenario by surface features: the question word and what the question contains."""
    form = forms.form_of([{"role": "user", "content": question}, {"role": "assistant", "content": truth}])
    # The instruction around a question never varies; the question itself follows the label.
    proper = question[forms.after_label(question) :].split("\nA. ")[0].split("\n\n")[0]
    kind = {
        "multiple_choice": "choice among options",
        "code": "programming",
        "extractive": "reading a passage",
        "number": "multi-part calculation",
        "text": "free reply",
    }[form]
    if form == "code":
        return f"{kind} with {_code_feature(question)}"
    asked = _QUESTION_WORD.search(proper)
    features = [f'a "{asked[0].lower()}" question' if asked else "a sentence to complete"]
    if _NEGATION.search(proper):
        features.append("a negation")
    if form == "number":
        count = len(forms.numbers_of(proper))
        features.append("few values" if count < 4 else "many values")
        if re.search(r"%|percent|half|third|quarter|twice|times", proper):
            features.append("ratios")
    elif form != "extractive" and re.search(r"\d", proper):
        features.append("figures")
    return f"{kind}, {' and '.join(features)}"


def _code_feature(question: str) -> str:
    for feature, mark in (
        ("nested structures", r"List\[List|matrix|grid|tree"),
        ("text processing", r"\bstr(ing)?s?\b|word|letter"),
        ("lists and sorting", r"\blists?\b|array|sort"),
        ("number rules", r"\bint\b|number|prime|integer"),
    ):
        if re.search(mark, question, re.IGNORECASE):
            return feature
    return "general rules"


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"[a-z]+", text.lower()) if len(word) > 3}

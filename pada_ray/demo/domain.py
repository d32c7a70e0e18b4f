"""The demo's domain: short arithmetic and calendar problems with answers that a rule can verify.

A problem reads `Anna has 23 pens and gives away 9. How many pens does Anna have left?` and is answered
`23 - 9 = 14. Answer: 14`. Unless train is drawn as val and test are, some kinds are rare in training and frequent in
evaluation: the gap that the failures on val should reveal to PaDA-Agent.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from string import Formatter
from typing import Any

from pada_ray.config import Gap
from pada_ray.demo.kinds import BY_NAME, KINDS, Kind, work
from pada_ray.demo.wordings import GOODS, MONTHS, NAMES, PLACES, TEMPLATES, THINGS, UNITS, Wording

__all__ = ["KINDS", "Kind", "Problem", "make", "read", "splits"]

TRIES = 1000
BLOCK = 100  # lines that are shuffled among themselves, so that a shorter train is a prefix of a longer one

FIELD_PATTERNS = dict.fromkeys("abc", r"\d+") | dict.fromkeys(("x", "y", "month"), "[A-Z][a-z]+")
WORD_PATTERN = "[a-z]+"


@dataclass(frozen=True)
class Problem:
    """A question of one kind with its worked answer. `fields` filled the template."""

    kind: str
    question: str
    steps: str
    answer: int
    fields: Mapping[str, str | int] = field(default_factory=dict, compare=False, repr=False)

    @property
    def reply(self) -> str:
        return f"{self.steps}. Answer: {self.answer}"


def make(kind_name: str, wording: Wording, rng: random.Random, fixed: Mapping[str, str | int] | None = None) -> Problem:
    """A problem of the kind in one of the wording's templates.

    `fixed` are fields to keep, such as another problem's `fields` to reword it. Raises ValueError if no
    numbers fit them.
    """
    kind = BY_NAME[kind_name]
    fixed = fixed or {}
    template = rng.choice(getattr(TEMPLATES[kind_name], wording))
    for _ in range(TRIES):
        fields = {**_draw_words(rng), **{n: rng.choice(r) for n, r in kind.numbers.items()}, **fixed}
        if fields["x"] == fields["y"] or fields["thing"] == fields["other"]:
            continue  # a fixed word was drawn again
        problem = _solved(kind, template.format_map(fields), fields)
        if problem is not None:
            return problem
    raise ValueError(f"no problem of kind {kind_name!r} with {dict(fixed)}")


def read(question: str) -> Problem | None:
    """Solves a question in the task's or the teacher's wording by rule; None for other questions."""
    for kind_name, pattern in _patterns():
        match = pattern.fullmatch(question)
        if match:
            fields = {n: int(v) if v.isdecimal() else v for n, v in match.groupdict().items()}
            problem = _solved(BY_NAME[kind_name], question, fields)
            if problem is not None:
                return problem
    return None


def splits(
    seed: int, train_size: int = 1000, eval_size: int = 500, gap: Gap = "absent"
) -> dict[str, list[dict[str, Any]]]:
    """Train, val and test as the fields of JSONL lines. No question occurs twice; no kind is named.

    Of val and test, 60% are rare kinds, evenly. Without a `gap` so is train. With one, 90% of train are common kinds,
    5% common kinds of large arithmetic and 5% rare ones: all ten at 0.5% ("rare"), or five kinds at 1% and five at none
    ("absent"). A train of 300 is the first 300 lines of a train of 1000.
    """
    seen: set[str] = set()
    evaluation = {kind: 60 if kind.rare else 10 if kind.large else 38 for kind in KINDS}
    training = evaluation if gap == "none" else {kind: _per_mille_of_train(kind, gap) for kind in KINDS}
    # Val and test come first, so that they do not depend on the length of train.
    val = _split("val", seed, eval_size, evaluation, seen)
    test = _split("test", seed, eval_size, evaluation, seen)
    return {"train": _split("train", seed, train_size, training, seen), "val": val, "test": test}


def _per_mille_of_train(kind: Kind, gap: Gap) -> int:
    if not kind.rare:
        return 25 if kind.large else 90
    if gap == "rare":
        return 5
    return 0 if kind.absent else 10


def _split(name: str, seed: int, size: int, per_mille: Mapping[Kind, int], seen: set[str]) -> list[dict[str, Any]]:
    rng = random.Random(f"{name} {seed}")
    order = _kinds_by_share(per_mille)
    lines: list[dict[str, Any]] = []
    while len(lines) < size:
        block = [next(order) for _ in range(BLOCK)]
        rng.shuffle(block)
        for kind in block:
            problem = _unseen(kind, rng, seen)
            lines.append(_line(f"{name}-{len(lines):04d}", problem))
    return lines[:size]


def _unseen(kind: Kind, rng: random.Random, seen: set[str]) -> Problem:
    for _ in range(TRIES):
        problem = make(kind.name, "task", rng)
        if problem.question not in seen:
            seen.add(problem.question)
            return problem
    raise ValueError(f"the questions of kind {kind.name!r} are used up: ask for smaller splits")


def _kinds_by_share(per_mille: Mapping[Kind, int]) -> Iterator[Kind]:
    """Kinds in an order in which every prefix holds each kind at its share, give or take one line."""
    credit = dict.fromkeys(per_mille, 0)
    while True:
        for kind, share in per_mille.items():
            credit[kind] += share
        kind = max(credit, key=lambda k: credit[k])
        credit[kind] -= 1000
        yield kind


def _line(sample_id: str, problem: Problem) -> dict[str, Any]:
    return {
        "id": sample_id,
        "messages": [
            {"role": "user", "content": problem.question},
            {"role": "assistant", "content": problem.reply},
        ],
        "task": "math",
        "answer": str(problem.answer),
        "meta": {},
    }


def _draw_words(rng: random.Random) -> dict[str, str]:
    x, y = rng.sample(NAMES, 2)
    thing, other = rng.sample(THINGS, 2)
    unit = rng.choice(UNITS)
    return {
        "x": x, "y": y, "thing": thing, "other": other, "big": unit.big, "small": unit.small,
        "good": rng.choice(GOODS), "month": rng.choice(MONTHS), "place": rng.choice(PLACES),
    }  # fmt: skip


def _solved(kind: Kind, question: str, fields: Mapping[str, str | int]) -> Problem | None:
    numbers = {name: value for name, value in fields.items() if isinstance(value, int)}
    for unit in UNITS:
        if (unit.big, unit.small) == (fields.get("big"), fields.get("small")):
            numbers["ratio"] = unit.ratio
    if any("ratio" in step for step in kind.steps) and "ratio" not in numbers:
        return None
    worked = work(kind, numbers)
    return None if worked is None else Problem(kind.name, question, *worked, fields=fields)


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """(kind, pattern) of every template that `read` knows."""
    return [
        (name, _pattern(template))
        for name, templates in TEMPLATES.items()
        for template in (*templates.task, *templates.teacher)
    ]


def _pattern(template: str) -> re.Pattern[str]:
    """A template as a regular expression with a group per field; a repeated field must match the same text."""
    parts: list[str] = []
    known: set[str] = set()
    for literal, name, _, _ in Formatter().parse(template):
        parts.append(re.escape(literal))
        if name in known:
            parts.append(f"(?P={name})")
        elif name:
            parts.append(f"(?P<{name}>{FIELD_PATTERNS.get(name, WORD_PATTERN)})")
            known.add(name)
    return re.compile("".join(parts))

"""The documents on which the demo student is pretrained.

There are three sorts: bare facts (`23 - 9 = 14`), questions in the task's and the teacher's words WITHOUT
answers, and whole conversations in pretraining's own words. So the student knows arithmetic, the words of
the domain and the form of a reply. Fine-tuning must still teach it to solve the task's questions.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Literal

from pada_ray.demo.domain import Problem, make
from pada_ray.demo.kinds import KINDS

Turn = tuple[Literal["user", "assistant"], str]
Document = str | list[Turn]

FACTS, QUESTIONS, CONVERSATIONS = 0.30, 0.15, 0.55
RARE_IN_CONVERSATIONS = 0.12

COMMON_KINDS = [kind.name for kind in KINDS if not kind.rare]
RARE_KINDS = [kind.name for kind in KINDS if kind.rare]


def documents(rng: random.Random) -> Iterator[Document]:
    """Endless documents: each a text or the turns of a conversation."""
    while True:
        sort = rng.choices(("fact", "question", "conversation"), (FACTS, QUESTIONS, CONVERSATIONS))[0]
        if sort == "fact":
            yield make(rng.choice(COMMON_KINDS + RARE_KINDS), "pretraining", rng).steps
        elif sort == "question":
            wording: Literal["task", "teacher"] = rng.choice(("task", "teacher"))
            yield make(rng.choice(COMMON_KINDS + RARE_KINDS), wording, rng).question
        else:
            problem = _conversation(rng)
            yield [("user", problem.question), ("assistant", problem.reply)]


def _conversation(rng: random.Random) -> Problem:
    rare = rng.random() < RARE_IN_CONVERSATIONS
    return make(rng.choice(RARE_KINDS if rare else COMMON_KINDS), "pretraining", rng)

"""The part of a reply that answers its own question."""

from __future__ import annotations

import re

_NEXT_QUESTION = re.compile(r"(?<=\S)\s*\n\s*(?:Question|Q):")


def after_thoughts(reply: str) -> str:
    """What follows the last `</think>`; nothing where a `<think>` was never closed."""
    said = reply.rpartition("</think>")[2]
    return "" if said.lstrip().startswith("<think>") else said


def own_words(reply: str) -> str:
    """The reply after its thoughts, up to a line on which a model that missed its end goes on to another
    `Question:`. lm-evaluation-harness stops generation at the same word."""
    return _NEXT_QUESTION.split(after_thoughts(reply), maxsplit=1)[0]

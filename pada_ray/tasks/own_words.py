"""The part of a reply that answers its own question."""

from __future__ import annotations

import re

_NEXT_QUESTION = re.compile(r"(?<=\S)\s*\n\s*(?:Question|Q):")


def after_thoughts(reply: str) -> str:
    """The text after the last `</think>`; "" if a `<think>` is never closed."""
    said = reply.rpartition("</think>")[2]
    return "" if said.lstrip().startswith("<think>") else said


def own_words(reply: str) -> str:
    """The reply without its thoughts, up to a line where the model runs on to another `Question:`.
    lm-evaluation-harness stops generation at the same word."""
    return _NEXT_QUESTION.split(after_thoughts(reply), maxsplit=1)[0]

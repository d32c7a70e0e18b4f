"""The part of a reply that answers its own question."""

from __future__ import annotations

import re

from pada_ray.llm.thoughts import final_part

_NEXT_QUESTION = re.compile(r"\n[^\S\n]*(?:Question|Q):")


def own_words(reply: str) -> str:
    """The reply without its thoughts, up to a line where the model runs on to another `Question:`.
    lm-evaluation-harness stops generation at the same word."""
    reply = final_part(reply)
    following = _NEXT_QUESTION.search(reply, len(reply) - len(reply.lstrip()))
    return reply if following is None else reply[: following.start()].rstrip()

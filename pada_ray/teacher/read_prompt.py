"""Recognises the prompt in a request by the data between its tags.

The instructions around the data are not read: users may replace the templates, but the tags stay, with the mark that
makes them unique or without.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_OPENING = re.compile(
    r"<(failures|analyses|patterns|handfuls|strategy|examples|errors|exemplars|originals|feedback|pairs|replies|worked"
    r"|questions)"
    r"(?:-[0-9a-f]{8})?>\s*"
)

# The tag that only this prompt has. `strategy`, `feedback` and `worked` accompany other tags and decide nothing.
_PROMPT_OF_TAG = {
    "failures": "error_analysis",
    "analyses": "pattern_categorization",
    "patterns": "strategy_drafting",
    "handfuls": "blind_strategy_drafting",
    "examples": "pattern_generation",
    "errors": "error_generation",
    "exemplars": "similar_questions",
    "originals": "rephrasing",
    "pairs": "quality_control",
    "questions": "answering",
    "replies": "grading",
}

_NAMES = ("sample_id", "sample_idx", "pattern_id", "handful_id", "reply_id", "question_id")


@dataclass(frozen=True)
class Prompt:
    """A recognised prompt. `position` is the index of its message."""

    name: str
    data: dict[str, Any]  # by tag
    position: int

    def entries(self, tag: str) -> list[dict[str, Any]]:
        """The list under a tag, [] if the tag is absent."""
        value = self.data.get(tag)
        return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []

    def named_entries(self, tag: str) -> dict[str, dict[str, Any]]:
        """The same by the name under which the reply speaks of each."""
        return {_name_of(entry, number): entry for number, entry in enumerate(self.entries(tag), start=1)}

    @property
    def strategy(self) -> dict[str, Any] | None:
        value = self.data.get("strategy")
        return value if isinstance(value, dict) else None


def _name_of(entry: dict[str, Any], number: int) -> str:
    return str(next((entry[field] for field in _NAMES if field in entry), number))


def read_prompt(messages: Sequence[tuple[str, str]]) -> Prompt | None:
    """The prompt in the first message with known tags that is not the assistant's; None if there is none.

    Later messages are about an unreadable reply and do not change the question.
    """
    for position, (role, text) in enumerate(messages):
        if role == "assistant":
            continue
        data = read_tags(text)
        for tag, name in _PROMPT_OF_TAG.items():
            if isinstance(data.get(tag), list):
                return Prompt(name, data, position)
    return None


def read_tags(text: str) -> dict[str, Any]:
    """The JSON that follows each known opening tag.

    Reading continues after each value, so a tag quoted inside the data does not count. A tag without JSON
    after it is only mentioned in the instructions.
    """
    decoder = json.JSONDecoder()
    found: dict[str, Any] = {}
    at = 0
    while opening := _OPENING.search(text, at):
        try:
            value, at = decoder.raw_decode(text, opening.end())
        except ValueError:
            at = opening.end()
            continue
        found.setdefault(opening[1], value)
    return found

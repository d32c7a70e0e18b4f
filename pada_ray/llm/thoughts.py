"""Where a model's thoughts end and its final words begin. Thoughts may hold drafts of the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

_NAMES = "think|thinking|thoughts?|reason|reasoning|reflection|scratchpad"
_OPENING = rf"""
    <(?:\w+:)?(?:{_NAMES})(?:\s[^<>]*)?>            # <think>, <Thought>, <seed:think>
  | \[(?:THINK|THINKING|REASONING)\]                # Magistral
  | ◁think▷                                         # Kimi
  | <\|(?:begin_of_thought|START_THINKING)\|>       # Sky-T1, Command
  | <\|channel\|>\s*(?:analysis|commentary)         # harmony, of gpt-oss
  | <\|channel>\s*thought                           # Gemma
  | \A\s*analysis(?-i:(?=[A-Z]))                    # harmony whose special tokens a server has removed
"""
_CLOSING = rf"""
    </(?:\w+:)?(?:{_NAMES})\s*>
  | \[/(?:THINK|THINKING|REASONING)\]
  | ◁/think▷
  | <\|(?:end_of_thought|END_THINKING)\|>
  | <\|channel\|>\s*final.{{0,40}}?<\|message\|>
  | <channel\|>
  | assistantfinal(?=\s*[\[{{`])
"""
_MARK = re.compile(rf"(?P<opening>{_OPENING})|(?P<closing>{_CLOSING})", re.VERBOSE | re.IGNORECASE)
_BRACKET = re.compile(r"[{\[]")
_END_OF_TURN = re.compile(r"(?:<\|(?:return|end|end_of_solution|END_RESPONSE)\|>\s*)+\Z")
_DECODER = json.JSONDecoder(strict=False)


def final_part(text: str) -> str:
    """What a reply says after its thoughts: all of it if there are none, "" if they do not end.

    Only the last closing mark counts, since a template may have opened the thoughts before the reply began, and there
    may be several blocks. A mark inside a string of a JSON value is part of that string.
    """
    begin, thinking = 0, False
    for mark in _marks(text):
        thinking = mark["opening"] is not None
        begin = mark.end()
    return "" if thinking else _END_OF_TURN.sub("", text[begin:])


def _marks(text: str) -> Iterator[re.Match[str]]:
    """The marks outside of JSON values."""
    at = 0
    while mark := _MARK.search(text, at):
        end = _end_of_value_around(text, at, mark.start())
        if end is None:
            yield mark
        at = max(mark.end(), end or 0)


def _end_of_value_around(text: str, begin: int, position: int) -> int | None:
    """Where the JSON value ends that begins at `begin` or later and has `position` inside; None if none has."""
    at = begin
    while opening := _BRACKET.search(text, at, position):
        try:
            _, end = _DECODER.raw_decode(text, opening.start())
        except ValueError:
            at = opening.end()
            continue
        except RecursionError:
            return None
        if end > position:
            return end
        at = end
    return None

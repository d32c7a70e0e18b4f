"""Common layouts of training data, recognised by their keys, and how a row of each becomes messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pada_ray.records import Message

Row = Mapping[str, Any]

_ROLES = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
}


class Layout(NamedTuple):
    fits: Callable[[Row], bool]
    turns: Callable[[Row], list[Any]]  # {"role", "content"} each, unchecked


def _alpaca(row: Row) -> list[Any]:
    asked = "\n\n".join(str(row[key]) for key in ("instruction", "input") if row.get(key))
    return _exchange(row, asked, row["output"])


def _prompt_completion(row: Row) -> list[Any]:
    reply = row["completion"] if "completion" in row else row["response"]
    if isinstance(row["prompt"], list) and isinstance(reply, list):  # TRL's form for conversations
        return [*row["prompt"], *reply]
    return _exchange(row, row["prompt"], reply)


def _sharegpt(row: Row) -> list[Any]:
    turns = row["conversations"]
    renamed = [{"role": t.get("from"), "content": t.get("value")} if isinstance(t, dict) else t for t in turns]
    return [*_system(row), *renamed]


def _text_label(row: Row) -> list[Any]:
    return _exchange(row, row["text"], row["label_text"] if "label_text" in row else row["label"])


def _exchange(row: Row, asked: Any, reply: Any) -> list[Any]:
    """A question and its reply; a reply that is an object or an array becomes JSON."""
    reply = json.dumps(reply, ensure_ascii=False) if isinstance(reply, dict | list) else reply
    return [*_system(row), {"role": "user", "content": asked}, {"role": "assistant", "content": reply}]


def _system(row: Row) -> list[Any]:
    return [{"role": "system", "content": row["system"]}] if row.get("system") else []


LAYOUTS = {
    "messages": Layout(lambda row: isinstance(row.get("messages"), list), lambda row: row["messages"]),
    "sharegpt": Layout(lambda row: isinstance(row.get("conversations"), list), _sharegpt),
    "alpaca": Layout(lambda row: "instruction" in row and "output" in row, _alpaca),
    "prompt_completion": Layout(
        lambda row: "prompt" in row and ("completion" in row or "response" in row), _prompt_completion
    ),
    "text_label": Layout(lambda row: "text" in row and ("label" in row or "label_text" in row), _text_label),
}


def messages_of(row: Row, layout: str) -> list[Message]:
    """The conversation in a row, with each message stripped of white space.

    Raises ValueError if the row is not in the layout, or does not end in a question and its reply.
    """
    if not LAYOUTS[layout].fits(row):
        raise ValueError(f"not in the layout {layout}")
    messages = [_message(turn) for turn in LAYOUTS[layout].turns(row)]
    if [m.role for m in messages[-2:]] != ["user", "assistant"]:
        raise ValueError("the conversation does not end in a user's question and the assistant's reply")
    return messages


def _message(turn: Any) -> Message:
    if not isinstance(turn, dict) or not isinstance(turn.get("content"), str):
        raise ValueError("a message is not text")
    role = _ROLES.get(str(turn.get("role")).lower())
    if role is None:
        raise ValueError(f"a message has the unknown role {turn.get('role')!r}")
    if not turn["content"].strip():
        raise ValueError("a message is empty")
    return Message.model_validate({"role": role, "content": turn["content"].strip()})

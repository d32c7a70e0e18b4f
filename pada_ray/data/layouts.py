"""Common layouts of training data, recognised by their keys, and how a row of each becomes messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pada_ray.data.white_space import trimmed
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
    parts = [row[key] for key in ("instruction", "input") if row.get(key)]
    if not all(isinstance(part, str) for part in parts):
        raise ValueError("`instruction` or `input` is not text")
    system, asked = _system(row), _exchange({}, "\n\n".join(parts), row["output"])
    return [*system, *_history(row), *asked]


def _history(row: Row) -> list[Any]:
    """The exchanges before the last: pairs of a question and its reply."""
    history = row.get("history") or []
    if not (isinstance(history, list) and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in history)):
        raise ValueError("`history` is not a list of questions with their replies")
    return [turn for question, reply in history for turn in _exchange({}, question, reply)]


def _prompt_completion(row: Row) -> list[Any]:
    reply = row["completion"] if "completion" in row else row["response"]
    if isinstance(row["prompt"], list) and isinstance(reply, list):  # TRL's form for conversations
        return [*row["prompt"], *reply]
    return _exchange(row, row["prompt"], reply)


def _sharegpt(row: Row) -> list[Any]:
    turns = row["conversations"]
    renamed = [{**t, "role": t.get("from"), "content": t.get("value")} if isinstance(t, dict) else t for t in turns]
    return [*_system(row), *renamed]


def _exchange(row: Row, asked: Any, reply: Any) -> list[Any]:
    return [*_system(row), {"role": "user", "content": asked}, {"role": "assistant", "content": reply}]


def _system(row: Row) -> list[Any]:
    return [{"role": "system", "content": row["system"]}] if row.get("system") else []


# What a conversation may bring beside its texts. A student cannot be given it, and without it the texts say less.
_BESIDE_A_ROW = ("tools", "functions", "images", "videos", "audios", "documents")
_BESIDE_A_MESSAGE = ("tool_calls", "function_call", "reasoning_content", "reasoning", "thinking", *_BESIDE_A_ROW)


def _refuse_what_is_beside(what: str, found: Row, keys: Sequence[str]) -> None:
    key = next((key for key in keys if found.get(key) not in (None, "", [], {}, "[]", "{}")), None)
    if key is not None:
        raise ValueError(f"{what} has `{key}`, which would be lost")


LAYOUTS = {
    "messages": Layout(lambda row: isinstance(row.get("messages"), list), lambda row: row["messages"]),
    "sharegpt": Layout(lambda row: isinstance(row.get("conversations"), list), _sharegpt),
    "alpaca": Layout(lambda row: "instruction" in row and "output" in row, _alpaca),
    "prompt_completion": Layout(
        lambda row: "prompt" in row and ("completion" in row or "response" in row), _prompt_completion
    ),
}


def messages_of(row: Row, layout: str) -> list[Message]:
    """The conversation in a row, with each message `trimmed`.

    Raises ValueError if the row is not in the layout, does not end in a question and its reply, or has what no message
    can hold, such as tool calls.
    """
    if not LAYOUTS[layout].fits(row):
        raise ValueError(f"not in the layout {layout}")
    _refuse_what_is_beside("the row", row, _BESIDE_A_ROW)
    messages = [_message(turn) for turn in LAYOUTS[layout].turns(row)]
    if [m.role for m in messages[-2:]] != ["user", "assistant"]:
        raise ValueError("the conversation does not end in a user's question and the assistant's reply")
    return messages


def _message(turn: Any) -> Message:
    if not isinstance(turn, dict) or not isinstance(turn.get("content"), str):
        raise ValueError("a message is not text")
    _refuse_what_is_beside("a message", turn, _BESIDE_A_MESSAGE)
    role = _ROLES.get(str(turn.get("role")).lower())
    if role is None:
        raise ValueError(f"a message has the unknown role {turn.get('role')!r}")
    if not turn["content"].strip():
        raise ValueError("a message is empty")
    return Message.model_validate({"role": role, "content": trimmed(turn["content"])})

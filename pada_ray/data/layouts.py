"""Common layouts of training data, recognised by their keys, and how a row of each becomes messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pada_ray.data.white_space import trimmed
from pada_ray.records import Message

Row = Mapping[str, Any]

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "tool": "user",  # what a tool gave back is told to the model
    "function": "user",
    "observation": "user",
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


def _text_label(row: Row) -> list[Any]:
    return _exchange(row, row["text"], row["label_text"] if "label_text" in row else row["label"])


def _exchange(row: Row, asked: Any, reply: Any) -> list[Any]:
    """A question and its reply; a reply that is an object or an array becomes JSON."""
    reply = as_json(reply, "the reply") if isinstance(reply, dict | list) else reply
    return [*_system(row), {"role": "user", "content": asked}, {"role": "assistant", "content": reply}]


def _system(row: Row) -> list[Any]:
    return [{"role": "system", "content": row["system"]}] if row.get("system") else []


# What a conversation may bring beside its texts, which a student cannot be given. Without it, it says another thing.
# The layout of OpenAI's API tells tools and their calls as text.
_TOOLS = ("tools", "functions")
_MEDIA = ("images", "videos", "audios", "documents")
_BESIDE_A_MESSAGE = ("tool_calls", "function_call", "reasoning_content", "reasoning", "thinking", *_TOOLS, *_MEDIA)


def _refuse_what_is_beside(what: str, found: Row, keys: Sequence[str]) -> None:
    key = next((key for key in keys if found.get(key) not in (None, "", [], {}, "[]", "{}")), None)
    if key is not None:
        raise ValueError(f"{what} has `{key}`, which would be lost")


def _openai(row: Row) -> list[Any]:
    """A conversation of OpenAI's API: texts in parts are joined, calls of tools are JSON, and the tools that may be
    called are told in the system message."""
    turns = [_with_calls(turn) if isinstance(turn, dict) else turn for turn in row["messages"]]
    tools = row.get("tools") or row.get("functions")
    if not tools or tools in ("[]", "{}"):
        return turns
    told = f"Tools, as JSON:\n{tools if isinstance(tools, str) else as_json(tools, '`tools`')}"
    if turns and isinstance(turns[0], dict) and _ROLES.get(str(turns[0].get("role"))) == "system":
        return [{**turns[0], "content": f"{turns[0]['content']}\n\n{told}"}, *turns[1:]]
    return [{"role": "system", "content": told}, *turns]


def _with_calls(turn: Row) -> Row:
    content = turn.get("content")
    if isinstance(content, list) and all(isinstance(part, dict) and "text" in part for part in content):
        content = "\n".join(str(part["text"]) for part in content)
    calls = turn.get("tool_calls") or ([{"function": turn["function_call"]}] if turn.get("function_call") else [])
    if calls:
        if not isinstance(calls, list):
            raise ValueError("`tool_calls` is not a list of function calls")
        made = [_call(call.get("function", call) if isinstance(call, dict) else call) for call in calls]
        said = as_json(made[0] if len(made) == 1 else made, "a function call")
        content = f"{content}\n{said}" if content else said
    left = {key: value for key, value in turn.items() if key not in ("tool_calls", "function_call")}
    return {**left, "content": content}


def _call(function: Any) -> dict[str, Any]:
    """A function call with its arguments as values, which the API has as a text of JSON."""
    if not isinstance(function, dict):
        raise ValueError("a function call is no object with `name` and `arguments`")
    arguments = function.get("arguments")
    try:
        arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
    except ValueError:
        raise ValueError("the arguments of a call are not JSON") from None
    return {"name": function.get("name"), "arguments": arguments or {}}


def as_json(value: Any, name: str) -> str:
    """A value as JSON. Raises ValueError, with its name, for what JSON has not, such as the dates of a Parquet file."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as e:
        raise ValueError(f"{name} cannot be written as JSON ({e}); make it a text") from None


LAYOUTS = {
    "messages": Layout(lambda row: isinstance(row.get("messages"), list), _openai),
    "sharegpt": Layout(lambda row: isinstance(row.get("conversations"), list), _sharegpt),
    "alpaca": Layout(lambda row: "instruction" in row and "output" in row, _alpaca),
    "prompt_completion": Layout(
        lambda row: "prompt" in row and ("completion" in row or "response" in row), _prompt_completion
    ),
    "text_label": Layout(lambda row: "text" in row and ("label" in row or "label_text" in row), _text_label),
}


def messages_of(row: Row, layout: str) -> list[Message]:
    """The conversation in a row, with each message `trimmed`.

    Raises ValueError if the row is not in the layout, does not end in a question and its reply, or has what no message
    can hold, such as tool calls.
    """
    if not LAYOUTS[layout].fits(row):
        raise ValueError(f"not in the layout {layout}")
    _refuse_what_is_beside("the row", row, _MEDIA if layout == "messages" else (*_TOOLS, *_MEDIA))
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

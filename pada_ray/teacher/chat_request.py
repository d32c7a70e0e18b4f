"""A chat completion request: the API fields that the teacher reads, and the errors that it reports."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

CHARS_PER_TOKEN = 4


class BadRequest(ValueError):
    """A request that gets status 400: the message and the name of the faulty field."""

    def __init__(self, message: str, param: str | None = None):
        super().__init__(message, param)
        self.message = message
        self.param = param


@dataclass(frozen=True)
class ChatRequest:
    model: str
    messages: tuple[tuple[str, str], ...]  # (role, text)
    temperature: float
    seed: int | None
    max_tokens: int | None
    stream: bool = False
    stream_usage: bool = False  # whether the last chunk of a stream has the tokens

    @property
    def content(self) -> str:
        """Hash of all that the reply may depend on."""
        return content_hash([self.model, self.messages, self.temperature, self.seed])

    @property
    def prompt_tokens(self) -> int:
        return sum(count_tokens(text) for _, text in self.messages)


def read_chat_request(body: Any) -> ChatRequest:
    """Raises BadRequest for what the API would refuse."""
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise BadRequest("you must provide a model parameter", "model")
    if body.get("n") not in (None, 1):
        raise BadRequest("only one completion per request is offered (n = 1)", "n")
    _check_response_format(body.get("response_format"))
    limit = body.get("max_completion_tokens")
    stream, options = body.get("stream") or False, body.get("stream_options") or {}
    if not isinstance(stream, bool):
        raise BadRequest("stream must be true or false", "stream")
    if not isinstance(options, dict) or (options and not stream):
        raise BadRequest("stream_options must be an object, and needs stream: true", "stream_options")
    return ChatRequest(
        model=body["model"],
        messages=_read_messages(body.get("messages")),
        temperature=float(_number(body, "temperature", 0, 2, default=1.0)),
        seed=_optional_int(body.get("seed"), "seed"),
        max_tokens=_optional_int(body.get("max_tokens") if limit is None else limit, "max_tokens", least=1),
        stream=stream,
        stream_usage=bool(options.get("include_usage")),
    )


def content_hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:32]


def count_tokens(text: str) -> int:
    """A rough count: one token per four characters, rounded up."""
    return -(-len(text) // CHARS_PER_TOKEN)


def cut_to_tokens(text: str, max_tokens: int | None) -> tuple[str, str]:
    """(text, finish_reason) under the token limit, counted as `count_tokens` counts."""
    if max_tokens is None or count_tokens(text) <= max_tokens:
        return text, "stop"
    return text[: max_tokens * CHARS_PER_TOKEN], "length"


def _read_messages(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list) or not value:
        raise BadRequest("'messages' must be a list with at least one message", "messages")
    messages = []
    for i, message in enumerate(value):
        if not isinstance(message, dict) or message.get("role") not in {
            "system", "developer", "user", "assistant", "tool",
        }:  # fmt: skip
            raise BadRequest(f"messages[{i}]: a message needs a known role", f"messages[{i}].role")
        messages.append((message["role"], _read_text(message.get("content"), f"messages[{i}].content")))
    return tuple(messages)


def _read_text(content: Any, where: str) -> str:
    if isinstance(content, list):  # the API's other form, a list of parts
        parts = [part.get("text") if isinstance(part, dict) else None for part in content]
        if all(isinstance(part, str) for part in parts):
            return "".join(str(part) for part in parts)
    if not isinstance(content, str):
        raise BadRequest(f"{where}: text is expected", where)
    return content


def _check_response_format(value: Any) -> None:
    if value is None:
        return
    kind = value.get("type") if isinstance(value, dict) else None
    if kind not in {"text", "json_object", "json_schema"}:
        raise BadRequest("type must be text, json_object or json_schema", "response_format.type")
    if kind == "json_schema":
        schema = value.get("json_schema")
        if not isinstance(schema, dict) or not isinstance(schema.get("name"), str):
            raise BadRequest("a json_schema needs a name", "response_format.json_schema.name")


def _number(body: dict[str, Any], name: str, low: float, high: float, default: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise BadRequest(f"{name} must be a number from {low} to {high}", name)
    return value


def _optional_int(value: Any, name: str, least: int | None = None) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or (least is not None and value < least):
        raise BadRequest(f"{name} must be a whole number" + (f" from {least} up" if least else ""), name)
    return value

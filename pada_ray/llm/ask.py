"""Asks an LLM for JSON and returns a checked object, or raises UnreadableReply."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pada_ray.errors import UnreadableReply, one_line
from pada_ray.llm.chat import ChatReply, ChatRequest, Llm
from pada_ray.printable import printable
from pada_ray.records import Message

T = TypeVar("T", bound=BaseModel)
Name = TypeVar("Name", int, str)

# Some models think aloud before they answer, and their thoughts may hold drafts of the answer.
_THOUGHTS = re.compile(r"^\s*<(think|thinking|reasoning)>.*?</\1>", re.DOTALL)


async def ask(
    llm: Llm,
    prompt: str,
    reply_type: type[T],
    *,
    purpose: str,
    max_reasks: int,
    temperature: float = 0.0,
    seed: int | None = None,
    check: Callable[[T], None] = lambda reply: None,
) -> T:
    """The reply to `prompt`, read as `reply_type` and accepted by `check` (which raises ValueError).

    After an unreadable reply the LLM is told the error and asked again, up to `max_reasks` times. Raises
    UnreadableReply if no reply could be read.
    """
    conversation = [Message(role="user", content=prompt)]
    problem = ""
    for _ in range(1 + max_reasks):
        reply = await llm.chat(
            ChatRequest(
                messages=conversation,
                reply_schema=strict_schema(reply_type),
                temperature=temperature,
                seed=seed,
                purpose=purpose,
            )
        )
        try:
            answer = read_reply(reply, reply_type)
            check(answer)
            return answer
        except ValueError as e:
            problem = one_line(e, most=2000)
        conversation = [
            *conversation,
            Message(role="assistant", content=reply.text),
            Message(
                role="user",
                content=f"That reply cannot be used: {problem} Answer again, with the JSON object alone.",
            ),
        ]
    raise UnreadableReply(f"{purpose}: no readable reply in {1 + max_reasks} attempts; the last: {problem}")


def check_one_each(given: Iterable[Name], wanted: Iterable[Name]) -> None:
    """Raises ValueError unless a list in a reply has exactly one entry for each name in `wanted`."""
    if sorted(given) != sorted(wanted):
        raise ValueError(f"Expected one entry for each of {sorted(wanted)}, got {sorted(given)}.")


def read_reply(reply: ChatReply, reply_type: type[T]) -> T:
    """The first JSON value in a reply that is a `reply_type`. Skips thoughts before it and text around it.

    A bare array stands for the object whose only key would hold it. Raises ValueError, saying what is wrong.
    """
    if not reply.text.strip():
        raise ValueError("It is empty.")
    problem: ValueError | None = None
    for value in _json_values(_THOUGHTS.sub("", reply.text)):
        if isinstance(value, list) and len(reply_type.model_fields) == 1:
            value = {next(iter(reply_type.model_fields)): value}
        try:
            return reply_type.model_validate(value)
        except ValidationError as e:
            first = e.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            problem = problem or ValueError(f"At {where or 'the root'}: {first['msg']}.")
    if problem is not None:
        raise problem
    if reply.cut_off:
        raise ValueError("It was cut off at the token limit before the JSON was complete; be briefer.")
    raise ValueError("It holds no complete JSON value.")


def _json_values(text: str) -> Iterator[Any]:
    """Every outermost JSON object or array in `text`, in order."""
    decoder = json.JSONDecoder(strict=False)  # models leave raw line breaks inside strings
    position = 0
    while True:
        starts = [i for i in (text.find("{", position), text.find("[", position)) if i >= 0]
        if not starts:
            return
        try:
            value, position = decoder.raw_decode(text, min(starts))
            yield _printable(value)
        except json.JSONDecodeError:
            position = min(starts) + 1
        except RecursionError:
            raise ValueError("It is nested too deeply.") from None


def _printable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _printable(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_printable(part) for part in value]
    return printable(value) if isinstance(value, str) else value


def strict_schema(reply_type: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a reply for strict structured output: all keys required, no others allowed, and no keywords
    that servers refuse."""
    return _strict(reply_type.model_json_schema())


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    dropped = ("title", "default", "description", "minLength", "minItems", "minimum", "maximum")
    kept = {key: _strict(part) for key, part in schema.items() if key not in dropped}
    if "properties" in schema:
        kept["properties"] = {name: _strict(part) for name, part in schema["properties"].items()}
        kept |= {"required": list(kept["properties"]), "additionalProperties": False}
    return kept

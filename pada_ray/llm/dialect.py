"""Which API fields a server accepts, learned from its errors.

Compatible servers differ: some need `max_completion_tokens` instead of `max_tokens`, or take no more than so many; some
refuse temperature, seed, streams, JSON schemas or every `response_format`. The first request has all fields. What was
learned is stored with the replies.
"""

from __future__ import annotations

import json
import re
import sqlite3
from typing import Any

from pada_ray.config import EndpointConfig
from pada_ray.llm.chat import ChatReply, ChatRequest
from pada_ray.llm.read_reply import begins_an_answer

_TABLE = "CREATE TABLE IF NOT EXISTS dialects (endpoint TEXT PRIMARY KEY, learned TEXT NOT NULL)"
_OPTIONAL = ("temperature", "seed", "stream", "stream_options")
_ABOUT_FORMAT = re.compile(
    r"response_format|schema|grammar|structured[ _-]?output|guided|constrained[ _-]decoding"
    r"|json[ _-]?(mode|object|output)",
    re.IGNORECASE,
)
_ABOUT_TOKENS = re.compile(r"max_tokens|max_completion_tokens|(output|completion) tokens")
_ABOUT_CONTEXT = re.compile(r"context[ _](length|size|limit)|input tokens|in the messages")
_NUMBER = re.compile(r"(?<![\w-])\d[\d,]{0,15}\b")
_FEWEST_TOKENS = 16
_TOKEN_LIMITS = ("max_tokens", "max_completion_tokens")
_IN_WORDS = "Answer with one JSON object and nothing else. It must fit this JSON schema: {schema}"


class Dialect:
    def __init__(self, endpoint: EndpointConfig, db: sqlite3.Connection):
        self._endpoint = endpoint
        self._db = db
        self._token_limit = "max_tokens"
        self._most_taken = endpoint.max_tokens
        self._left_out: set[str] = set()
        self._formats = ["json_schema", "json_object"]  # not refused so far, best first
        self._thinks = False  # its thoughts count towards the limit of a reply
        db.execute(_TABLE)
        known = db.execute("SELECT learned FROM dialects WHERE endpoint = ?", (self._name,)).fetchone()
        if known:
            stored = json.loads(known[0])
            stored += [self._thinks, self._most_taken][len(stored) - 3 :]  # 0.1 has neither
            self._token_limit, left_out, self._formats, self._thinks, most_taken = stored
            self._left_out = set(left_out)
            self._most_taken = min(self._most_taken, most_taken)

    def fields(self, request: ChatRequest) -> dict[str, Any]:
        """The body of a request. A schema that the server refuses as `response_format` goes into the last message."""
        fields: dict[str, Any] = {
            "model": self._endpoint.model,
            "messages": [m.model_dump() for m in request.messages],
            "temperature": request.temperature,
            self._token_limit: self._own_limit(request),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if request.seed is not None:
            fields["seed"] = request.seed
        if request.reply_schema is not None:
            if self._formats:
                fields["response_format"] = _response_format(self._formats[0], request)
            if self._formats[:1] != ["json_schema"]:
                fields["messages"][-1]["content"] += "\n\n" + _in_words(request.reply_schema)
        taken = {name: value for name, value in fields.items() if name not in self._left_out} | self._endpoint.body
        if not taken.get("stream"):
            taken.pop("stream_options", None)
        return taken

    def learn(self, sent: dict[str, Any], message: str, param: object) -> bool:
        """Whether the server's error names a field of the body `sent` that can be replaced or left out from here on."""
        learned = self._learn(sent, message, param)
        if learned:
            self._save()
        return learned

    def learn_length(self, request: ChatRequest, reply: ChatReply) -> None:
        """From a reply. If the request's own limit cut it off before the answer began, the model needs that room for
        its thoughts, and later replies get as much as the endpoint allows."""
        if reply.cut_off and request.max_tokens is not None and not self._thinks and not begins_an_answer(reply):
            self._thinks = True
            self._save()

    def most_tokens(self, request: ChatRequest) -> int:
        """The most that a reply may take, by what `fields` gives: the larger limit, where `body` adds another."""
        sent = {self._token_limit: self._own_limit(request)} | self._endpoint.body
        limits = [sent[name] for name in _TOKEN_LIMITS if isinstance(sent.get(name), int) and sent[name] > 0]
        return max(limits, default=self._endpoint.max_tokens)

    def _own_limit(self, request: ChatRequest) -> int:
        most = self._most_taken
        return most if request.max_tokens is None or self._thinks else min(request.max_tokens, most)

    def _save(self) -> None:
        content = json.dumps([self._token_limit, sorted(self._left_out), self._formats, self._thinks, self._most_taken])
        self._db.execute("INSERT OR REPLACE INTO dialects VALUES (?, ?)", (self._name, content))

    def _learn(self, sent: dict[str, Any], message: str, param: object) -> bool:
        if _ABOUT_TOKENS.search(message) and not _ABOUT_CONTEXT.search(message):
            if most := self._tokens_taken(sent, message):
                self._most_taken = min(self._most_taken, most)
                return True
            if "max_completion_tokens" in message and self._sent(sent, "max_tokens"):
                self._token_limit = "max_completion_tokens"
                return True
        named = [field for field in re.findall(r"^\w+", param if isinstance(param, str) else "") if field in sent]
        words = set(named or re.findall(r"\w+", message))
        if "streaming" in message.lower():
            words.add("stream")
        refused = {field for field in _OPTIONAL if field in words and self._sent(sent, field)}
        self._left_out |= refused
        if not refused and _ABOUT_FORMAT.search(" ".join([*named, message])) and self._sent(sent, "response_format"):
            kind = sent["response_format"]["type"]
            self._formats = [f for f in self._formats if f != kind]
            return True
        return bool(refused)

    def _tokens_taken(self, sent: dict[str, Any], message: str) -> int | None:
        """The most tokens of a reply that the server names: the largest number below what was sent."""
        if not self._sent(sent, self._token_limit):
            return None
        said = re.sub(r"^Error code: \d+", "", message)
        numbers = [int(digits.replace(",", "")) for digits in _NUMBER.findall(said)]
        return max((n for n in numbers if _FEWEST_TOKENS <= n < sent[self._token_limit]), default=None)

    @property
    def _name(self) -> str:
        return f"{self._endpoint.model} at {self._endpoint.base_url}"

    def _sent(self, sent: dict[str, Any], field: str) -> bool:
        return field in sent and field not in self._endpoint.body  # fields from the config are always sent


def _response_format(kind: str, request: ChatRequest) -> dict[str, Any]:
    if kind == "json_object":
        return {"type": kind}
    return {"type": kind, kind: {"name": request.purpose, "schema": request.reply_schema, "strict": True}}


def _in_words(schema: dict[str, Any]) -> str:
    return _IN_WORDS.format(schema=json.dumps(schema))

"""What is asked of an LLM and what comes back, and the one method that every agent asks through."""

from __future__ import annotations

from typing import Any, Protocol

from pada_ray.records import Message, Record


class ChatRequest(Record):
    """One chat completion. Two equal requests are the same call: it is made once and its reply kept."""

    messages: list[Message]
    reply_schema: dict[str, Any] | None  # JSON schema of the reply, for servers with structured output
    temperature: float
    seed: int | None  # tells apart draws from the same prompt
    purpose: str  # which prompt this is, for the account of calls and tokens


class ChatReply(Record):
    text: str
    cut_off: bool  # the server stopped at the token limit


class Llm(Protocol):
    """Who answers a chat request: the gateway, the gateway's actor, or a stub in a test."""

    async def chat(self, request: ChatRequest) -> ChatReply: ...


class Usage(Record):
    """Calls that were made and paid for, and their tokens, for one purpose."""

    role: str  # teacher or judge
    purpose: str
    calls: int
    prompt_tokens: int
    completion_tokens: int

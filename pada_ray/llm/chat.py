"""What is asked of an LLM and what comes back, and the one method that every agent asks through."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from pada_ray.config import Budget
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


class Completion(NamedTuple):
    """A reply fresh from the server, with what it took."""

    reply: ChatReply
    prompt_tokens: int
    completion_tokens: int


class Llm(Protocol):
    """Who answers a chat request: an experiment's handle on a gateway, or a stub in a test."""

    async def chat(self, request: ChatRequest) -> ChatReply: ...


class Experiment(Record):
    """Whose call it is: one of many that share a gateway. Its name is its run's folder, which no other has."""

    name: str
    budget: Budget = Budget()


class Usage(Record):
    """What an experiment took for one purpose: calls whose replies it got, and their tokens."""

    role: str  # teacher or judge
    purpose: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None = None  # None where no price is configured
    shared: bool = False  # another experiment had paid for them

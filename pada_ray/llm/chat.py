"""Requests to an LLM, its replies, what these use, and the one method that every agent asks through."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from pada_ray.config import Budget
from pada_ray.records import Message, Record


class ChatRequest(Record):
    """One chat completion. Equal requests are one call: it is made once and its reply is stored."""

    messages: list[Message]
    reply_schema: dict[str, Any] | None  # JSON schema of the reply, for servers with structured output
    temperature: float
    seed: int | None  # distinguishes draws from the same prompt
    purpose: str  # which prompt this is, for the account
    max_tokens: int | None = None  # of the reply, if fewer than the endpoint's own limit


class ChatReply(Record):
    text: str
    cut_off: bool  # the server stopped at the token limit


class Completion(NamedTuple):
    """A new reply from the server and its tokens."""

    reply: ChatReply
    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False  # the server did not report its tokens


class Llm(Protocol):
    """Answers chat requests: a run's handle on a gateway, or a stub in a test."""

    async def chat(self, request: ChatRequest) -> ChatReply: ...


class Payer(Record):
    """The run that pays for a call, one of many that share a gateway."""

    run: str  # its folder, a path or URL: unique among runs
    budget: Budget = Budget()


class Usage(Record):
    """What a run used for one purpose: calls whose replies it got, and their tokens."""

    role: str  # teacher or judge
    purpose: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None = None  # None if no price is configured
    estimated: int = 0  # of the calls: those whose tokens the server did not report
    shared: bool = False  # another run had paid for them


class Spent(NamedTuple):
    """The totals of some LLM calls."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    """None if a call has no price."""

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


def spent(usage: Iterable[Usage]) -> Spent:
    """The sums over `usage`."""
    each = list(usage)
    prices = [u.usd for u in each if u.usd is not None]
    return Spent(
        calls=sum(u.calls for u in each),
        prompt_tokens=sum(u.prompt_tokens for u in each),
        completion_tokens=sum(u.completion_tokens for u in each),
        usd=sum(prices, 0.0) if len(prices) == len(each) else None,
    )

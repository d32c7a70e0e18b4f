"""What went wrong with a call, and what that means for this call and for the others."""

from __future__ import annotations

import asyncio
import email.utils
import math
import re
import time
from collections.abc import Mapping
from enum import Enum
from typing import Any

import openai

from pada_ray.config import EndpointConfig
from pada_ray.printable import printable

_LONGEST_WAIT = 600.0  # seconds, beyond which a Retry-After means: not today

# How servers say that they will not have this very prompt: it is too long for the model, or a filter stands before it.
_ABOUT_THE_PROMPT = re.compile(
    r"content[ _](filter|management|policy)|usage policy|invalid_prompt|inappropriate|inspection|moderation|flagged"
    r"|context[ _](length|size|window|limit)|(maximum|max) (model|sequence) length|too (long|large)|token count"
)


class Kind(Enum):
    RATE = "too many requests or tokens"
    OVERLOAD = "more calls in flight than the endpoint bears"
    FAULT = "may pass when tried again"
    PROMPT = "this prompt will never be answered"
    REQUEST = "a request of this form will never be answered"
    CLOSED = "no request will be answered"


class CallFailed(Exception):
    """A call without a reply. `message` goes on after the server's name; `wait` is how many seconds the server asks to
    wait, if it does."""

    def __init__(self, kind: Kind, message: str, wait: float | None = None):
        super().__init__(kind, message, wait)
        self.kind = kind
        self.message = message
        self.wait = wait


def explain(e: Exception, endpoint: EndpointConfig, key: str) -> CallFailed:
    """What an error of the client means. The key is cut out of what the server says."""
    if isinstance(e, asyncio.TimeoutError):
        return CallFailed(Kind.OVERLOAD, f"did not answer within {endpoint.timeout:g} s")
    if isinstance(e, openai.APIConnectionError):
        return CallFailed(Kind.FAULT, "cannot be reached; check base_url and that the server runs")
    said = " ".join((words_of(e) if isinstance(e, openai.APIStatusError) else str(e)).split())
    if endpoint.api_key_env is not None:
        said = said.replace(key, "...")
    said = printable(said)[:300]
    if not isinstance(e, openai.APIStatusError):
        return CallFailed(Kind.FAULT, f"cannot be understood: {said}")
    if e.status_code in (401, 403) and not _is_about_the_prompt(e):
        variable = endpoint.api_key_env
        source = f"the key in ${variable}" if variable else "a call without a key; name its variable in api_key_env"
        return CallFailed(Kind.CLOSED, f"refuses {source}")
    wait = retry_after(e.response.headers, time.time())
    if wait is not None and wait > _LONGEST_WAIT:
        return CallFailed(Kind.CLOSED, f"asks to wait for {wait:,.0f} s: {said}")
    return CallFailed(_kind(e), f"says: {said}", wait)


def words_of(e: openai.APIStatusError) -> str:
    """The client's message, with what the server says where that does not lie where OpenAI has it, and the client
    leaves it out: `{"error": "..."}`, FastAPI's `{"detail": ...}`, plain text."""
    said: Any = e.body
    if isinstance(said, dict):
        said = None if isinstance(said.get("message"), str) else said.get("detail", said)
    if isinstance(said, list):  # beside what is wrong, each part repeats the request
        said = "; ".join(f"{part.get('loc')}: {part.get('msg')}" for part in said if isinstance(part, dict))
    return f"{e.message} - {said}" if said else e.message


def _kind(e: openai.APIStatusError) -> Kind:
    if _is_about_the_prompt(e):
        return Kind.PROMPT
    if e.status_code in (402, 404) or e.code == "insufficient_quota":
        return Kind.CLOSED
    if e.status_code == 429:
        return Kind.RATE
    if e.status_code in (503, 529):
        return Kind.OVERLOAD
    return Kind.FAULT if e.status_code >= 500 or e.status_code in (408, 409) else Kind.REQUEST


def _is_about_the_prompt(e: openai.APIStatusError) -> bool:
    return e.status_code in (400, 403, 413, 422) and bool(_ABOUT_THE_PROMPT.search(f"{e.code} {words_of(e)}".lower()))


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds from `now` (since the epoch) that a response asks to wait; None where it does not say."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            wait = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        return max(0.0, wait) if not math.isnan(wait) else None
    date = email.utils.parsedate_tz(headers.get("retry-after"))
    return max(0.0, email.utils.mktime_tz(date) - now) if date else None

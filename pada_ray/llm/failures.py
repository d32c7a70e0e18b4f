"""Why a call failed, and what that means for this call and for others."""

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

_LONGEST_WAIT = 600.0  # seconds; a longer Retry-After counts as CLOSED

# How servers refuse one prompt: it is too long for the model, or a filter rejects it.
_ABOUT_THE_PROMPT = re.compile(
    r"content[ _](filter|management|policy)|usage policy|invalid_prompt|inappropriate|inspection|moderation|flagged"
    r"|context[ _](length|size|window|limit)|(maximum|max) (model|sequence) length|too (long|large)|token count"
)


class Kind(Enum):
    RATE = "too many requests or tokens"
    OVERLOAD = "too many calls in flight"
    FAULT = "a retry may succeed"
    PROMPT = "this prompt is always refused"
    REQUEST = "a request of this form is always refused"
    CLOSED = "every request is refused"


class CallFailed(Exception):
    """A call without a reply. `message` follows the server's name in an error; `wait` is the seconds that the server
    asks to wait, if any."""

    def __init__(self, kind: Kind, message: str, wait: float | None = None):
        super().__init__(kind, message, wait)
        self.kind = kind
        self.message = message
        self.wait = wait


def explain(e: Exception, endpoint: EndpointConfig, key: str) -> CallFailed:
    """Classifies an error of the client. Removes the key from the server's words."""
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
    """The client's message, plus the server's words where the client drops them because their format is not OpenAI's:
    `{"error": "..."}`, FastAPI's `{"detail": ...}`, plain text."""
    said: Any = e.body
    if isinstance(said, dict):
        said = None if isinstance(said.get("message"), str) else said.get("detail", said)
    if isinstance(said, list):  # leaves out the request, which each part repeats
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
    """Seconds from `now` (in seconds since the epoch) that a response asks to wait; None if it does not say."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            wait = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        return max(0.0, wait) if not math.isnan(wait) else None
    date = email.utils.parsedate_tz(headers.get("retry-after"))
    return max(0.0, email.utils.mktime_tz(date) - now) if date else None

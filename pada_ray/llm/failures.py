"""Why a call failed, and what that means for this call and for others."""

from __future__ import annotations

import email.utils
import math
import re
import ssl
import time
from collections.abc import Mapping
from enum import Enum
from typing import Any

import openai

from pada_ray.config import EndpointConfig
from pada_ray.llm.silence import Silent
from pada_ray.printable import printable

_LONGEST_WAIT = 600.0  # seconds; a longer Retry-After counts as CLOSED

# How servers refuse one prompt: it is too long for the model, or a filter rejects it.
_ABOUT_THE_PROMPT = re.compile(
    r"content[ _](filter|management|policy)|usage policy|invalid_prompt|inappropriate|inspection|moderation|flagged"
    r"|context[ _](length|size|window|limit)|(maximum|max) (model|sequence) length|too (long|large)|token count"
)

_NO_SERVER_BEHIND = (502, 521, 522, 523)  # what a proxy in front of the server says
_INVALID_REPLY = ("json_validate_failed", "output_parse_failed", "tool_use_failed")


class Kind(Enum):
    """The values are what a person sees of calls that are made again."""

    RATE = "rate limit"  # too many requests or tokens
    OVERLOAD = "overload"  # too many calls in flight
    SILENCE = "timeout"
    UNREACHABLE = "no connection"
    FAULT = "fault"  # a retry may succeed
    REPLY = "invalid reply"  # the server refuses what its model wrote; another try may succeed
    PROMPT = "prompt refused"  # this prompt is always refused
    REQUEST = "request refused"  # a request of this form is always refused
    CLOSED = "closed"  # every request is refused


class BrokeOff(Exception):
    """The connection ended before the reply did."""


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
    if isinstance(e, Silent):
        return CallFailed(Kind.SILENCE, str(e))
    if isinstance(e, BrokeOff):
        return CallFailed(Kind.FAULT, "broke off in the middle of a reply")
    if isinstance(e, RecursionError):
        return CallFailed(Kind.FAULT, "cannot be understood: its answer is nested too deeply")
    if isinstance(e, openai.APIConnectionError):
        return _no_connection(e)
    said = " ".join((words_of(e) if isinstance(e, openai.APIStatusError) else str(e)).split())
    if endpoint.api_key_env is not None:
        said = said.replace(key, "...")
    said = printable(said)[:300]
    if isinstance(e, openai.APIError) and not isinstance(e, openai.APIStatusError):
        return _refusal(e, said)  # an error within a stream
    if not isinstance(e, openai.APIStatusError):
        return CallFailed(Kind.FAULT, f"cannot be understood: {said or type(e).__name__}")
    if e.status_code in (401, 403) and not _is_about_the_prompt(e):
        variable = endpoint.api_key_env
        source = f"the key in ${variable}" if variable else "a call without a key; name its variable in api_key_env"
        return CallFailed(Kind.CLOSED, f"refuses {source}")
    if 300 <= e.status_code < 400:
        return CallFailed(Kind.CLOSED, f"redirects to {_address(e.response)}, which is not followed; check base_url")
    wait = retry_after(e.response.headers, time.time())
    if wait is not None and wait > _LONGEST_WAIT:
        return CallFailed(Kind.CLOSED, f"asks to wait for {wait:,.0f} s: {said}")
    return _refusal(e, said, wait)


def _no_connection(e: openai.APIConnectionError) -> CallFailed:
    cause: BaseException | None = e
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = re.search(r"verify failed: ([^(]*[^( ])", str(cause))
            told = f"has a certificate that cannot be trusted ({printable(why[1]) if why else 'it does not verify'})"
            return CallFailed(Kind.CLOSED, f"{told}; check base_url, or name its authority in $SSL_CERT_FILE")
        if isinstance(cause, ssl.SSLError):
            return CallFailed(Kind.FAULT, "cannot be spoken to by TLS; check base_url, https or http")
        cause = cause.__cause__ or cause.__context__
    return CallFailed(Kind.UNREACHABLE, "cannot be reached; check base_url and that the server runs")


def _address(response: Any) -> str:
    """Where a redirect leads: scheme and host alone, since a query may hold a secret."""
    try:
        url = response.url.join(response.headers.get("location", ""))
        return printable(f"{url.scheme}://{url.netloc.decode()}{url.path}")[:200]
    except Exception:  # whatever a server wrote there
        return "another address"


def words_of(e: openai.APIStatusError) -> str:
    """The client's message, plus the server's words where the client drops them because their format is not OpenAI's:
    `{"error": "..."}`, FastAPI's `{"detail": ...}`, plain text."""
    said: Any = e.body
    if isinstance(said, dict):
        said = None if isinstance(said.get("message"), str) else said.get("detail", said)
    if isinstance(said, list):  # leaves out the request, which each part repeats
        said = "; ".join(f"{part.get('loc')}: {part.get('msg')}" for part in said if isinstance(part, dict))
    return f"{e.message} - {said}" if said else e.message


def teaches(e: openai.APIStatusError) -> bool:
    """Whether an error may be about the form of the request."""
    if e.status_code == 500:  # as some versions of llama.cpp answer
        return "failed to parse grammar" in words_of(e)
    return e.status_code in (400, 422, 501) and not _is_about_the_reply(e)


def _refusal(e: openai.APIError, said: str, wait: float | None = None) -> CallFailed:
    if _is_about_the_reply(e):
        return CallFailed(Kind.REPLY, f"could not write a reply of the form that was asked for: {said}")
    return CallFailed(_kind(e), f"says: {said}", wait)


def _is_about_the_reply(e: openai.APIError) -> bool:
    """Whether the server has checked what its model wrote, and found that it is not what was asked for (Groq)."""
    return e.code in _INVALID_REPLY or (isinstance(e.body, dict) and "failed_generation" in e.body)


def _kind(e: openai.APIError) -> Kind:
    status = _status(e)
    if _is_about_the_prompt(e):
        return Kind.PROMPT
    if status in (402, 404) or e.code == "insufficient_quota":
        return Kind.CLOSED
    if status == 429:
        return Kind.RATE
    if status in (503, 529):
        return Kind.OVERLOAD
    if status in _NO_SERVER_BEHIND:
        return Kind.UNREACHABLE
    return Kind.FAULT if status is None or status >= 500 or status in (408, 409) else Kind.REQUEST


def _status(e: openai.APIError) -> int | None:
    """The HTTP status, which an error within a stream has as its code, if at all."""
    if isinstance(e, openai.APIStatusError):
        return e.status_code
    code = e.body.get("code") if isinstance(e.body, dict) else None
    return code if isinstance(code, int) else None


def _is_about_the_prompt(e: openai.APIError) -> bool:
    said = words_of(e) if isinstance(e, openai.APIStatusError) else e.message
    return _status(e) in (400, 403, 413, 422, None) and bool(_ABOUT_THE_PROMPT.search(f"{e.code} {said}".lower()))


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds from `now` (in seconds since the epoch) that a response asks to wait; None if it does not say."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            wait = float(headers[name]) * unit
        except (KeyError, ValueError):
            continue
        return max(0.0, wait) if not math.isnan(wait) else None
    try:
        date = email.utils.parsedate_tz(headers.get("retry-after"))
        return max(0.0, email.utils.mktime_tz(date) - now) if date else None
    except Exception:  # whatever a server wrote there
        return None

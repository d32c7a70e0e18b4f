"""Makes each call to an endpoint in its turn, with retries where they can help and none while the endpoint is down."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from pada_ray.config import EndpointConfig
from pada_ray.errors import EndpointError
from pada_ray.llm.call_watch import UNWATCHED, CallWatch
from pada_ray.llm.chat import ChatRequest, Completion
from pada_ray.llm.circuit_breaker import CircuitBreaker
from pada_ray.llm.failures import CallFailed, Kind
from pada_ray.llm.limiter import Limiter, Start
from pada_ray.llm.token_estimate import TokenEstimate
from pada_ray.llm.turnstile import Turnstile

_FIRST_WAIT = 0.5  # seconds before the first retry, doubled each time
_LONGEST_WAIT = 60.0
_REFUSAL = 0.1  # while other calls succeed, a 429 counts as a tenth of a retry
_REPEATS = 2  # of a call whose reply the endpoint refuses
_MINUTE = 60.0  # seconds; limits are per minute


class PromptRefused(EndpointError):
    """The endpoint refuses this prompt for its length or content."""


class ReplyRefused(EndpointError):
    """The endpoint refuses what its model wrote, however often it is asked."""


class Calls:
    """`complete` makes one call without retries and raises CallFailed if it fails."""

    def __init__(
        self,
        endpoint: EndpointConfig,
        complete: Callable[[ChatRequest], Awaitable[Completion]],
        estimate: TokenEstimate,
    ):
        self._where = f"{endpoint.base_url} ({endpoint.model})"
        self._max_retries = endpoint.max_retries
        self._complete = complete
        self._estimate = estimate
        self._limiter = Limiter(endpoint.requests_per_minute, endpoint.tokens_per_minute, endpoint.max_in_flight)
        self._turnstile = Turnstile(self._limiter)
        self._breaker = CircuitBreaker()

    async def call(self, request: ChatRequest, run: str, watch: CallWatch = UNWATCHED) -> Completion:
        """Raises EndpointError when the endpoint cannot be reached, refuses, or keeps failing; PromptRefused when it
        refuses only this prompt, and ReplyRefused when it refuses its model's replies to it."""
        failures, invalid, again = 0.0, 0, False
        while True:
            self._breaker.check(_now())
            try:
                return await self._attempt(request, run, watch, again=again)
            except CallFailed as e:
                failure = e
            if failure.kind in (Kind.PROMPT, Kind.REQUEST):
                kind = PromptRefused if failure.kind == Kind.PROMPT else EndpointError
                raise kind(f"{self._where} {failure.message}")
            if failure.kind == Kind.CLOSED:
                raise self._error(failure.message)
            if failure.kind == Kind.REPLY:
                invalid += 1
                if invalid > _REPEATS:
                    raise ReplyRefused(f"{self._where} {failure.message}")
                again = True
                watch.retries()
                continue
            self._breaker.failed()
            answers_others = failure.kind == Kind.RATE and self._breaker.succeeded_since(_now() - _MINUTE)
            failures += _REFUSAL if answers_others else 1
            if failures > self._max_retries:
                if self._breaker.looks_down:
                    self._close(failure.message)
                raise self._error(failure.message)
            again = True
            watch.retries()
            await asyncio.sleep(_pause(failure, failures))

    async def _attempt(self, request: ChatRequest, run: str, watch: CallWatch, *, again: bool) -> Completion:
        came = _now()
        start = await self._turnstile.enter(run, lambda: self._estimate.expected(request), again=again)
        watch.starts(_now() - came)
        expected = start.tokens.units
        try:
            completion = await self._complete(request)
        except BaseException as e:
            self._note(e, start)
            raise
        else:
            tokens = completion.prompt_tokens + completion.completion_tokens
            self._estimate.learn(request, completion)
            self._limiter.succeeded(start, tokens, _now())
            self._turnstile.charge(run, tokens - expected)
            self._breaker.succeeded(_now())
            return completion
        finally:
            watch.ends()
            self._turnstile.admit()

    def _note(self, e: BaseException, start: Start) -> None:
        if isinstance(e, CallFailed) and e.kind in (Kind.RATE, Kind.OVERLOAD, Kind.SILENCE):
            pause = e.wait if e.wait is not None else _FIRST_WAIT
            self._limiter.refused(start, pause, _now(), by_rate=e.kind == Kind.RATE)
            return
        self._limiter.failed()
        if isinstance(e, CallFailed) and e.kind == Kind.CLOSED:
            self._close(e.message)

    def _close(self, message: str) -> None:
        """No call to this endpoint can succeed at present."""
        problem = str(self._error(message))
        self._breaker.trip(problem, _now())
        self._turnstile.dismiss(problem)

    def _error(self, message: str) -> EndpointError:
        return EndpointError(f"{self._where} {message}; fix it, then continue with `pada resume`")


def _now() -> float:
    return asyncio.get_running_loop().time()


def _pause(failure: CallFailed, failures: float) -> float:
    """Seconds until the retry, with jitter so that calls that failed together do not retry together."""
    if failure.wait is not None:
        return failure.wait + random.uniform(0, min(1.0, failure.wait / 10))
    return random.uniform(0.5, 1) * min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (failures - 1))

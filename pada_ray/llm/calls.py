"""Makes each call to an endpoint in its turn, with retries where they can help and none while the endpoint is down."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable

from pada_ray.config import EndpointConfig
from pada_ray.errors import EndpointDown, EndpointError
from pada_ray.llm.call_watch import UNWATCHED, CallWatch
from pada_ray.llm.chat import ChatRequest, Completion
from pada_ray.llm.circuit_breaker import CircuitBreaker
from pada_ray.llm.failures import CallFailed, Kind
from pada_ray.llm.limiter import Limiter, Start
from pada_ray.llm.token_estimate import TokenEstimate
from pada_ray.llm.turnstile import Turnstile

_FIRST_WAIT = 0.5  # seconds before the first retry, doubled each time
_LONGEST_WAIT = 60.0
_REFUSAL = 0.1  # while other calls succeed, a 429 or a 503 counts as a tenth of a retry
_REPEATS = 2  # of a call whose reply the endpoint refuses
_MINUTE = 60.0  # seconds; limits are per minute


class PromptRefused(EndpointError):
    """The endpoint refuses this prompt for its length or content."""


class ReplyRefused(EndpointError):
    """The endpoint refuses what its model wrote, however often it is asked."""


class CallStopped(EndpointError):
    """The call was not sent: the run that was to pay for it has ended, or it has become dearer than what is reserved
    for it."""


_STOPPED = "the run is stopping"
_DEARER = "its reply may take more tokens than are reserved for it"
_FINAL: dict[Kind, type[EndpointError]] = {
    Kind.PROMPT: PromptRefused,
    Kind.REQUEST: EndpointError,
    Kind.CLOSED: EndpointError,
}
_AT_A_LIMIT = (Kind.RATE, Kind.OVERLOAD, Kind.SILENCE)
_PASSING = (*_AT_A_LIMIT, Kind.UNREACHABLE, Kind.FAULT)


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
        self._patience = endpoint.patience
        self._complete = complete
        self._estimate = estimate
        self._limiter = Limiter(endpoint.requests_per_minute, endpoint.tokens_per_minute, endpoint.max_in_flight)
        self._turnstile = Turnstile(self._limiter)
        self._breaker = CircuitBreaker()
        self._stops: dict[str, asyncio.Event] = {}  # by run

    async def call(
        self,
        request: ChatRequest,
        run: str,
        watch: CallWatch = UNWATCHED,
        affordable: Callable[[], bool] = lambda: True,
    ) -> Completion:
        """Raises EndpointError when the endpoint refuses or keeps failing; EndpointDown when it has been down for
        longer than it has patience for; PromptRefused when it refuses only this prompt; ReplyRefused when it refuses
        its model's replies to it; CallStopped when the run stops, or when the call's turn comes and it is no longer
        `affordable`."""
        attempts = _Attempts(self._max_retries)
        while True:
            self._breaker.check(_now())
            if self._stopping(run).is_set():
                raise CallStopped(_STOPPED)
            try:
                return await self._attempt(request, run, watch, affordable, again=attempts.count > 0)
            except CallFailed as e:
                failure = e
            if failure.kind in _FINAL:
                raise _FINAL[failure.kind](f"{self._where} {failure.message}")
            attempts.note(failure, answers_others=self._breaker.succeeded_since(_now() - _MINUTE), now=_now())
            if failure.kind == Kind.REPLY:
                if attempts.invalid > _REPEATS:
                    raise ReplyRefused(f"{self._where} {failure.message}")
            else:
                self._wait_out(failure, attempts)
            watch.retries(failure.kind.value)
            await _sleep(_pause(failure, attempts.failures), unless=self._stopping(run))

    def stop(self, run: str) -> None:
        """No more of the run's calls start, until `go_on`. Those that wait raise CallStopped."""
        self._stopping(run).set()
        self._turnstile.dismiss(CallStopped(_STOPPED), run)

    def go_on(self, run: str) -> None:
        self._stops.pop(run, None)

    def _stopping(self, run: str) -> asyncio.Event:
        return self._stops.setdefault(run, asyncio.Event())

    def _wait_out(self, failure: CallFailed, attempts: _Attempts) -> None:
        """Raises the error of a call that has used up its retries, unless the endpoint is down, which may pass: then
        only when that has lasted too long. Silence is long enough by itself, and may be charged for."""
        lasted = self._breaker.failing_for(_now())
        answers_others = lasted < _now() - attempts.first_failed
        silent = failure.kind == Kind.SILENCE and not answers_others and lasted >= self._patience > 0
        if not attempts.used_up and not silent:
            return
        down = failure.kind in (Kind.OVERLOAD, Kind.UNREACHABLE) or self._breaker.looks_down or silent
        if answers_others or not down:
            raise EndpointError(f"{self._where} {failure.message}; {attempts.count} attempts failed")
        if lasted >= self._patience:
            told = f"{failure.message}; it has been down for {lasted / _MINUTE:.0f} minutes, longer than its `patience`"
            raise self._close(EndpointDown(f"{self._where} {told}"))

    async def _attempt(
        self, request: ChatRequest, run: str, watch: CallWatch, affordable: Callable[[], bool], *, again: bool
    ) -> Completion:
        came = _now()
        start = await self._turnstile.enter(run, lambda: self._estimate.expected(request), again=again)
        watch.starts(_now() - came)
        expected = start.tokens.units
        try:
            if not affordable():
                raise CallStopped(_DEARER)
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
        kind = e.kind if isinstance(e, CallFailed) else None
        if isinstance(e, CallFailed) and kind in _PASSING:
            self._breaker.failed(_now())
        if isinstance(e, CallFailed) and kind in _AT_A_LIMIT:
            pause = e.wait if e.wait is not None else _FIRST_WAIT
            self._limiter.refused(start, pause, _now(), by_rate=kind == Kind.RATE)
        else:
            self._limiter.failed()
        if isinstance(e, CallFailed) and kind == Kind.CLOSED:
            self._close(EndpointError(f"{self._where} {e.message}"))
        if kind != Kind.RATE:  # whose limits say how long to wait
            self._limiter.hold(_now() + self._breaker.hold)

    def _close(self, problem: EndpointError) -> EndpointError:
        """No call to this endpoint can succeed at present."""
        self._breaker.trip(problem, _now())
        self._turnstile.dismiss(problem)
        return problem


class _Attempts:
    """What came of the attempts at one call."""

    def __init__(self, max_retries: int):
        self._max_retries = max_retries
        self.count = 0
        self.first_failed = 0.0
        self.failures = 0.0
        self.invalid = 0

    def note(self, failure: CallFailed, *, answers_others: bool, now: float) -> None:
        if not self.count:
            self.first_failed = now
        self.count += 1
        if failure.kind == Kind.REPLY:
            self.invalid += 1
        else:
            refused = failure.kind in (Kind.RATE, Kind.OVERLOAD) and answers_others
            self.failures += _REFUSAL if refused else 1

    @property
    def used_up(self) -> bool:
        return self.failures > self._max_retries


async def _sleep(seconds: float, unless: asyncio.Event) -> None:
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(unless.wait(), seconds)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _pause(failure: CallFailed, failures: float) -> float:
    """Seconds until the retry, with jitter so that calls that failed together do not retry together."""
    if failure.wait is not None:
        return failure.wait + random.uniform(0, min(1.0, failure.wait / 10))
    return random.uniform(0.5, 1) * min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (failures - 1))

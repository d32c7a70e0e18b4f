"""The gateway to one LLM endpoint. All runs share it, and every call goes through it."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from pada_ray.config import Budget, EndpointConfig
from pada_ray.config.teacher import TeacherSettings
from pada_ray.errors import EndpointDown, EndpointError, StorageError, UnreadableReply
from pada_ray.llm.account import Account, Cost, money
from pada_ray.llm.budget import BudgetKeeper
from pada_ray.llm.call_watch import Both, Watcher, unwatched
from pada_ray.llm.calls import Calls, CallStopped, PromptRefused, ReplyRefused
from pada_ray.llm.chat import ChatReply, ChatRequest, Completion, Payer, Usage
from pada_ray.llm.database import open_database, transaction
from pada_ray.llm.endpoint import Endpoint, Model
from pada_ray.llm.failures import CallFailed, Kind
from pada_ray.llm.open_calls import OpenCalls
from pada_ray.llm.reply_cache import ReplyCache, request_key
from pada_ray.llm.reply_copy import PaidReply, ReplyCopy
from pada_ray.llm.token_estimate import TokenEstimate, most_of_prompt
from pada_ray.llm.waiting import Waiting, WaitingCalls
from pada_ray.printable import printable
from pada_ray.records import Message
from pada_ray.storage import Folder, check_free

PROBE = ChatRequest(
    messages=[Message(role="user", content="Say ok.")],
    reply_schema={
        "type": "object",
        "properties": {"ok": {"type": "boolean"}},
        "required": ["ok"],
        "additionalProperties": False,
    },
    temperature=0,
    seed=None,
    purpose="probe",
    max_tokens=16,
)
"""What an endpoint is asked before anything is spent: in the form of all calls, but short."""
_MOST_NAMES = 5
_ROOM = 8_000_000  # bytes free on the cache's disk without which nothing is bought: the replies under way fit


class Probed(NamedTuple):
    """What an endpoint gave when it was asked for a few tokens."""

    context: int | None  # tokens of prompt and reply together, where the server says so
    how: str
    tokens: int


class LlmGateway:
    """Answers chat requests from the cache or from the endpoint, within its limits and each run's budget.

    `cache` is a file on this machine for the replies and the account. `address` is where the endpoint listens, if not
    at its configured base_url: the offline teacher, whose settings are `offline`, takes any free port. `watcher` makes
    a watch for every call. `copy` is a folder or URL off this machine: it gets replies and account before any caller
    sees them, and a new machine restores them from it. Raises ConfigError when the environment variable for the key is
    not set.
    """

    def __init__(
        self,
        endpoint: EndpointConfig,
        cache: str,
        address: str | None = None,
        watcher: Watcher = unwatched,
        copy: str | None = None,
        offline: TeacherSettings | None = None,
    ):
        self._config = endpoint
        self._offline = offline
        self._cache = cache
        self._db = open_database(cache)
        self._replies = ReplyCache(self._db)
        self._account = Account(self._db)
        self._copy = None if copy is None else ReplyCopy(self._db, self._replies, self._account, Folder(copy))
        self._budgets = BudgetKeeper(self._account.spent)
        self._estimate = TokenEstimate(endpoint.max_tokens)
        self._endpoint = Endpoint(endpoint, address, self._db)
        self._calls = Calls(endpoint, self._endpoint.complete, self._estimate)
        self._watcher = watcher
        self._waiting = WaitingCalls()
        self._ending: Counter[str] = Counter()  # runs whose calls are ended
        self._unstored: dict[str, StorageError] = {}  # by run, until it ends: why a reply was lost
        self._in_flight: dict[str, asyncio.Task[ChatReply]] = {}
        self._run_paying: dict[str, str] = {}  # for each call in flight
        self._open: defaultdict[tuple[str, str], OpenCalls] = defaultdict(OpenCalls)  # by run and role

    async def chat(self, request: ChatRequest, payer: Payer, role: str) -> ChatReply:
        """The reply to `request`. A stored reply costs nothing; a request equal to one in flight waits for its reply.

        Raises EndpointError when the endpoint refuses or keeps failing, and EndpointDown when it has been down for
        longer than it has patience for, both with the way to go on; UnreadableReply when it answers the run in this
        role but refuses this prompt for its length or content, or when it refuses what its model writes; BudgetReached
        when the run has spent its budget and none of its calls is in flight; and StorageError when the reply cannot be
        stored, or would not be because the disk is full or the run has lost another.
        """
        try:
            with self._open[payer.run, role].one():
                return await self._answer(request, payer, role)
        except CallStopped:
            raise
        except EndpointError as e:
            # Else it may refuse every prompt, for example if `max_tokens` exceeds the model's context.
            if isinstance(e, PromptRefused) and await self._answers_others(payer.run, role):
                raise UnreadableReply(f"{request.purpose}: {e}") from None
            raise type(e)(f"{e}; {_go_on(payer.run, e)}") from None

    async def _answers_others(self, run: str, role: str) -> bool:
        """Whether the endpoint answers other prompts of the run in this role. While nothing is known, the run's open
        calls are waited for, so that it does not depend on which of them ends first."""
        if not self._account.answered(run, role):
            await self._open[run, role].tell()
        return self._account.answered(run, role)

    async def _answer(self, request: ChatRequest, payer: Payer, role: str) -> ChatReply:
        """The reply, noted as one that the run got. A call that was stopped is made anew unless the run is ending: the
        run that was to pay for it may be another."""
        key = request_key(self._config, request, self._offline)
        while True:
            try:
                reply = await self._reply(key, request, payer, role)
                break
            except CallStopped:
                if self._ending[payer.run]:
                    raise
        self._account.share(payer.run, role, request.purpose, key)
        return reply

    async def _reply(self, key: str, request: ChatRequest, payer: Payer, role: str) -> ChatReply:
        reply = self._stored(key)
        if reply is None and key not in self._in_flight:
            most = self._most(request)
            await self._budgets.reserve(payer, most)
            reply = self._stored(key)  # another caller may have asked the same meanwhile
            if reply is not None or key in self._in_flight:
                self._budgets.release(payer, most)
            else:
                self._start(key, request, payer, role, most)
        # The call will be paid for, so it finishes even if the caller has gone.
        return await asyncio.shield(self._in_flight[key]) if reply is None else reply

    def _stored(self, key: str) -> ChatReply | None:
        """None while its call is in flight, which ends when the copy has the reply too."""
        return None if key in self._in_flight else self._replies.get(key)

    async def finish(self, run: str) -> None:
        """Ends a run's calls: none is sent any more, and those at the endpoint are waited for, so that every reply that
        is paid for is stored."""
        self._ending[run] += 1
        self._calls.stop(run)
        try:
            while calls := [self._in_flight[key] for key, paying in self._run_paying.items() if paying == run]:
                await asyncio.wait(calls)
        finally:
            self._ending[run] -= 1
            self._unstored.pop(run, None)
            self._calls.go_on(run)

    async def under_way(self, run: str) -> int:
        """How many of the run's calls are at the endpoint at this moment."""
        return self._waiting.under_way(run)

    async def waiting(self, run: str, role: str) -> Waiting | None:
        """The run's calls that have waited for long or are made again."""
        return self._waiting.waiting(run, role)

    async def usage(self, run: str) -> list[Usage]:
        """What the run used at all endpoints that share the cache, whoever paid, over all its resumptions."""
        return self._account.usage(run)

    async def check(self) -> None:
        """Raises EndpointError when the endpoint cannot be reached or refuses the key. Costs no tokens."""
        if self._config.base_url == "none":
            return
        try:
            await self._endpoint.check()
        except CallFailed as e:
            raise EndpointError(f"{self._where} {e.message}") from None

    async def probe(self, run: str, role: str) -> Probed:
        """Asks for one real reply of a few tokens, for which `run` pays. Raises EndpointError, which names the models
        that there are, if the endpoint gives none."""
        models: list[Model] = []
        try:
            models = await self._endpoint.models()
            completion = await self._endpoint.complete(PROBE)
        except CallFailed as e:
            if e.kind in (Kind.RATE, Kind.REPLY):  # it is there, and answers at another time
                return Probed(None, "is busy: " + e.message if e.kind == Kind.RATE else "answers", 0)
            raise EndpointError(f"{self._where} {e.message}{_instead(self._config.model, models)}") from None
        await self._store(f"probe {uuid.uuid4().hex}", PROBE, run, role, completion)
        context = next((model.context for model in models if model.name == self._config.model), None)
        return Probed(context, "answers", completion.prompt_tokens + completion.completion_tokens)

    async def close(self) -> None:
        await self._endpoint.close()
        self._db.close()

    def _start(self, key: str, request: ChatRequest, payer: Payer, role: str, most: Cost) -> None:
        def ended(task: asyncio.Task[ChatReply]) -> None:
            del self._in_flight[key], self._run_paying[key]
            self._budgets.release(payer, most)
            if not task.cancelled():
                task.exception()  # marks it as seen, since the caller may have gone

        def affordable() -> bool:  # asked when the call's turn has come, since all this may change while it waits
            if lost := self._unstored.get(payer.run):
                raise lost
            check_free(self._cache, _ROOM)
            return payer.budget == Budget() or self._most(request).tokens <= most.tokens

        self._in_flight[key] = asyncio.create_task(self._call(key, request, payer.run, role, affordable))
        self._in_flight[key].add_done_callback(ended)
        self._run_paying[key] = payer.run

    async def _call(
        self, key: str, request: ChatRequest, run: str, role: str, affordable: Callable[[], bool]
    ) -> ChatReply:
        waiting = self._waiting.begin(run, role)
        watch = Both(self._watcher(run, role, request.purpose), waiting)
        try:
            completion = await self._calls.call(request, run, watch, affordable)
        except ReplyRefused as e:
            raise UnreadableReply(f"{request.purpose}: {e}") from None
        finally:
            self._waiting.end(waiting)
        watch.paid(completion.prompt_tokens, completion.completion_tokens)
        try:
            await self._store(key, request, run, role, completion)
        except StorageError as e:
            self._unstored[run] = e
            raise
        return completion.reply

    async def _store(self, key: str, request: ChatRequest, run: str, role: str, completion: Completion) -> None:
        """The reply and what it cost, here and in the copy."""
        usd = money(self._config.price, completion.prompt_tokens, completion.completion_tokens)
        with transaction(self._db):
            self._replies.put(key, request, completion.reply)
            self._account.pay(run, role, request, key, completion, usd)
        if self._copy is not None:
            paid = completion._asdict() | {"key": key, "experiment": run, "role": role, "usd": usd}
            await self._copy.keep(PaidReply(request=request, **paid))

    @property
    def _where(self) -> str:
        return f"{self._config.base_url} ({self._config.model})"

    def _most(self, request: ChatRequest) -> Cost:
        prompt, reply = most_of_prompt(request), self._endpoint.most_tokens(request)
        return Cost(prompt + reply, money(self._config.price, prompt, reply) or 0.0)


def _instead(model: str, models: Sequence[Model]) -> str:
    """What an error adds where the server lists other models."""
    names = [m.name for m in models]
    if not names or model in names:
        return ""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"; it lists no model of this name, but {printable(', '.join(names[:_MOST_NAMES]))}{more}"


def _go_on(run: str, e: EndpointError) -> str:
    first = "" if isinstance(e, EndpointDown) else "fix it, then "
    return f"{first}continue with `pada resume {run}`"

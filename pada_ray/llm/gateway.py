"""The gateway to one LLM endpoint, which all experiments share: every call to it goes through here."""

from __future__ import annotations

import asyncio

from pada_ray.config import EndpointConfig
from pada_ray.config.teacher import TeacherSettings
from pada_ray.errors import EndpointError, UnreadableReply
from pada_ray.llm.account import Account, Cost, money
from pada_ray.llm.budget import BudgetKeeper
from pada_ray.llm.call_watch import Watcher, unwatched
from pada_ray.llm.calls import Calls, PromptRefused
from pada_ray.llm.chat import ChatReply, ChatRequest, Experiment, Usage
from pada_ray.llm.database import open_database, transaction
from pada_ray.llm.endpoint import Endpoint
from pada_ray.llm.failures import CallFailed
from pada_ray.llm.reply_cache import ReplyCache, request_key
from pada_ray.llm.reply_copy import PaidReply, ReplyCopy
from pada_ray.llm.token_estimate import TokenEstimate
from pada_ray.storage import Folder


class LlmGateway:
    """Answers chat requests from the cache or from the endpoint, keeping to its limits and to each experiment's budget.

    `cache` is a file on this machine, for the replies and the account. `address` is where the endpoint listens, if that
    is not its configured base_url (the embedded teacher, which behaves as `offline` says, takes any free port).
    `watcher` is asked for a watch of every call that is made. `copy` is a folder or URL off this machine that gets the
    replies and the account as well, before anyone sees them, and from which a new machine has them again. Raises
    ConfigError when the variable that should hold the key is not set.
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
        self._db = open_database(cache)
        self._replies = ReplyCache(self._db)
        self._account = Account(self._db)
        self._copy = None if copy is None else ReplyCopy(self._db, self._replies, self._account, Folder(copy))
        self._budgets = BudgetKeeper(self._account.spent)
        self._estimate = TokenEstimate(endpoint.max_tokens)
        self._endpoint = Endpoint(endpoint, address, self._db)
        self._calls = Calls(endpoint, self._endpoint.complete, self._estimate)
        self._watcher = watcher
        self._under_way: dict[str, asyncio.Task[ChatReply]] = {}
        self._payers: dict[str, str] = {}  # of the calls under way

    async def chat(self, request: ChatRequest, experiment: Experiment, role: str) -> ChatReply:
        """The reply to `request`; one that arrived earlier is given again and costs nothing, and a request like one
        that is under way waits for that one's reply.

        Raises EndpointError when the endpoint cannot be reached, refuses, or keeps failing, UnreadableReply when it has
        answered others and refuses this prompt for its length or for what it holds, and BudgetReached when the
        experiment has spent its budget and none of its calls are under way any more.
        """
        key = request_key(self._config, request, self._offline)
        reply = self._replies.get(key)
        if reply is None and key not in self._under_way:
            most = self._most(request)
            await self._budgets.reserve(experiment, most)
            reply = self._replies.get(key)  # another may have asked the same meanwhile
            if reply is not None or key in self._under_way:
                self._budgets.release(experiment, most)
            else:
                self._start(key, request, experiment, role, most)
        if reply is None:
            # What was begun will be paid for, so it goes on when whoever waits for it is gone.
            reply = await asyncio.shield(self._under_way[key])
        self._account.share(experiment.name, role, request.purpose, key)
        return reply

    async def finish(self, experiment: str) -> None:
        """Returns when no call of the experiment is under way any more, so that none is paid for and not stored."""
        while calls := [self._under_way[key] for key, payer in self._payers.items() if payer == experiment]:
            await asyncio.wait(calls)

    async def usage(self, experiment: str) -> list[Usage]:
        """What the experiment took at all endpoints that share the cache, whoever paid, over all its resumptions."""
        return self._account.usage(experiment)

    async def check(self) -> None:
        """Raises EndpointError when the endpoint is not there or refuses the key. Costs no tokens."""
        try:
            await self._endpoint.check()
        except CallFailed as e:
            raise EndpointError(f"{self._config.base_url} ({self._config.model}) {e.message}") from None

    async def close(self) -> None:
        await self._endpoint.close()
        self._db.close()

    def _start(self, key: str, request: ChatRequest, experiment: Experiment, role: str, most: Cost) -> None:
        def ended(task: asyncio.Task[ChatReply]) -> None:
            del self._under_way[key], self._payers[key]
            self._budgets.release(experiment, most)
            if not task.cancelled():
                task.exception()  # which may have no one left to go to

        self._under_way[key] = asyncio.create_task(self._call(key, request, experiment.name, role))
        self._under_way[key].add_done_callback(ended)
        self._payers[key] = experiment.name

    async def _call(self, key: str, request: ChatRequest, experiment: str, role: str) -> ChatReply:
        watch = self._watcher(experiment, role, request.purpose)
        try:
            completion = await self._calls.call(request, experiment, watch)
        except PromptRefused as e:
            if self._account.answered(experiment, role):
                raise UnreadableReply(f"{request.purpose}: {e}") from None
            raise  # who refuses the first may refuse all, as where `max_tokens` is more than the model's context
        usd = money(self._config.price, completion.prompt_tokens, completion.completion_tokens)
        with transaction(self._db):
            self._replies.put(key, request, completion.reply)
            self._account.pay(experiment, role, request, key, completion, usd)
        watch.paid(completion.prompt_tokens, completion.completion_tokens)
        if self._copy is not None:
            paid = completion._asdict() | {"key": key, "experiment": experiment, "role": role, "usd": usd}
            await self._copy.keep(PaidReply(request=request, **paid))
        return completion.reply

    def _most(self, request: ChatRequest) -> Cost:
        most = self._estimate.most(request)
        return Cost(most.prompt + most.completion, money(self._config.price, most.prompt, most.completion) or 0.0)

"""The gateway to one LLM endpoint: every call of a run to it goes through here.

It limits the calls in flight, retries what a server asks to retry (the openai client's own retries, which honour
Retry-After), keeps every reply that has arrived, and makes equal calls only once.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import openai

from pada_ray.config import EndpointConfig
from pada_ray.errors import ConfigError, EndpointError
from pada_ray.llm.chat import ChatReply, ChatRequest, Usage
from pada_ray.llm.reply_cache import ReplyCache, request_key

# Fields that some servers refuse, and what to send in their place. Learned from the server's own error, once.
_OPTIONAL_FIELDS = ("response_format", "seed", "temperature")


class LlmGateway:
    """Answers chat requests from the cache or from the endpoint.

    `role` is what the endpoint is in the run (teacher, judge). `address` is where the endpoint listens, if that is
    not its configured base_url (the embedded teacher takes any free port). Raises ConfigError when the variable
    that should hold the key is not set.
    """

    def __init__(self, endpoint: EndpointConfig, role: str, run: str, cache: str, address: str | None = None):
        self._endpoint = endpoint
        self._role = role
        self._cache = ReplyCache(cache, run)
        self._client = openai.AsyncOpenAI(
            base_url=address or endpoint.base_url,
            api_key=_api_key(endpoint, role),
            max_retries=endpoint.max_retries,
            timeout=endpoint.timeout,
            default_headers=endpoint.headers,
        )
        self._places = asyncio.Semaphore(endpoint.max_in_flight)
        self._under_way: dict[str, asyncio.Task[ChatReply]] = {}
        self._refused: set[str] = set()
        self._token_limit_field = "max_tokens"

    async def chat(self, request: ChatRequest) -> ChatReply:
        """The reply to `request`; one that arrived earlier is given again and costs nothing.

        Raises EndpointError when the endpoint cannot be reached, refuses, or keeps failing.
        """
        key = request_key(self._endpoint.base_url, self._endpoint.model, request)
        cached = self._cache.get(key)
        if cached is not None:
            return cached
        if key not in self._under_way:
            self._under_way[key] = asyncio.create_task(self._call(key, request))
            self._under_way[key].add_done_callback(lambda _: self._under_way.pop(key))
        return await asyncio.shield(self._under_way[key])

    async def check(self) -> None:
        """Raises EndpointError when the endpoint is not there or refuses the key. Costs no tokens."""
        try:
            await self._client.with_options(max_retries=1).models.list()
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.APIConnectionError) as e:
            raise self._error(e) from None
        except openai.APIStatusError:
            pass  # many servers have no list of models

    async def usage(self) -> list[Usage]:
        return self._cache.usage()

    async def _call(self, key: str, request: ChatRequest) -> ChatReply:
        async with self._places:
            try:
                completion = await self._complete(request)
            except openai.APIError as e:
                raise self._error(e) from None
        choice = completion.choices[0]
        reply = ChatReply(text=choice.message.content or "", cut_off=choice.finish_reason == "length")
        usage = completion.usage
        tokens = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
        self._cache.put(key, self._role, request, reply, tokens)
        return reply

    async def _complete(self, request: ChatRequest) -> Any:
        """One completion; a field that the server refuses is left out from then on."""
        while True:
            fields = self._fields(request)
            try:
                return await self._client.chat.completions.create(**fields)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as e:
                if not self._learn(e, fields):
                    raise

    def _fields(self, request: ChatRequest) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "model": self._endpoint.model,
            "messages": [m.model_dump() for m in request.messages],
            "temperature": request.temperature,
            self._token_limit_field: self._endpoint.max_tokens,
        }
        if request.seed is not None:
            fields["seed"] = request.seed
        if request.reply_schema is not None:
            schema = {"name": request.purpose, "schema": request.reply_schema, "strict": True}
            fields["response_format"] = {"type": "json_schema", "json_schema": schema}
        fields = {name: value for name, value in fields.items() if name not in self._refused}
        return fields | ({"extra_body": self._endpoint.body} if self._endpoint.body else {})

    def _learn(self, e: openai.APIStatusError, sent: dict[str, Any]) -> bool:
        """Whether the server's error names a field that can be sent otherwise or left out."""
        said = f"{e.param or ''} {e.message}"
        if "max_completion_tokens" in said and "max_tokens" in sent:
            self._token_limit_field = "max_completion_tokens"
            return True
        named = [f for f in _OPTIONAL_FIELDS if f in sent and (f in said or f == e.param)]
        if not named and "response_format" in sent and "schema" in said.lower():
            named = ["response_format"]
        self._refused.update(named)
        return bool(named)

    def _error(self, e: openai.APIError) -> EndpointError:
        where = f"llm.{self._role}: {self._endpoint.base_url} ({self._endpoint.model})"
        if isinstance(e, openai.AuthenticationError | openai.PermissionDeniedError):
            variable = self._endpoint.api_key_env
            source = f"the key in ${variable}" if variable else "a call without a key; name its variable in api_key_env"
            return EndpointError(f"{where} refuses {source}")
        if isinstance(e, openai.APITimeoutError):
            return EndpointError(
                f"{where} did not answer within {self._endpoint.timeout:g} s; go on with `pada resume`"
            )
        if isinstance(e, openai.APIConnectionError):
            return EndpointError(f"{where} cannot be reached; check base_url and that the server runs")
        if isinstance(e, openai.APIStatusError):
            said = " ".join(e.message.split())[:300]
            return EndpointError(f"{where}: {said}; go on with `pada resume` once it is mended")
        return EndpointError(f"{where}: {' '.join(str(e).split())[:300]}")


def _api_key(endpoint: EndpointConfig, role: str) -> str:
    if endpoint.api_key_env is None:
        return "none"  # the client wants one; local servers ignore it
    key = os.environ.get(endpoint.api_key_env)
    if not key:
        raise ConfigError(f"llm.{role}.api_key_env: the environment variable {endpoint.api_key_env} is not set")
    return key

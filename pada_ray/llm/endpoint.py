"""An OpenAI-compatible server over HTTP: single calls, without retries."""

from __future__ import annotations

import json
import os
import sqlite3
from typing import Any, NamedTuple

import openai

from pada_ray.config import EndpointConfig
from pada_ray.errors import ConfigError
from pada_ray.llm.chat import ChatRequest, Completion
from pada_ray.llm.dialect import Dialect
from pada_ray.llm.failures import BrokeOff, explain, teaches, words_of
from pada_ray.llm.reply_reader import StreamedReply, read_body
from pada_ray.llm.silence import Silence, Silent, unless_silent

_LIST_WITHIN_S = 20.0
_CONTEXT = ("max_model_len", "context_length", "context_window", "max_context_length")  # vLLM, OpenRouter, Groq, others


class Model(NamedTuple):
    """An entry of a server's list of models."""

    name: str
    context: int | None  # the most tokens of prompt and reply together, where the server says so


def read_model(entry: Any) -> Model:
    """Raises TypeError or LookupError for what is no entry."""
    contexts = [entry[key] for key in _CONTEXT if isinstance(entry.get(key), int)]
    return Model(str(entry["id"]), contexts[0] if contexts else None)


class Endpoint:
    """`address` is where the server listens, if not at its configured base_url. `db` stores its dialect.

    Raises ConfigError when the environment variable for the key is not set.
    """

    def __init__(self, config: EndpointConfig, address: str | None, db: sqlite3.Connection):
        self._config = config
        self._key = _api_key(config)
        self._dialect = Dialect(config, db)
        self._client = openai.AsyncOpenAI(
            base_url=address or config.base_url,
            api_key=self._key,
            max_retries=0,
            timeout=None,  # silence is timed here; the client would time each read, and the first like the others
            default_headers=config.headers,
            # A proxy from the environment must not come between two local processes.
            http_client=openai.DefaultAioHttpClient(timeout=None, trust_env=address is None, follow_redirects=False),
        )

    async def complete(self, request: ChatRequest) -> Completion:
        """One completion. A field that the server refuses is left out of all later calls. Raises CallFailed."""
        while True:
            fields = self._dialect.fields(request)
            try:
                completion = await self._answer(fields, request)
                break
            except openai.APIStatusError as e:
                if not (teaches(e) and self._dialect.learn(fields, words_of(e), e.param)):
                    raise explain(e, self._config, self._key) from None
            except Exception as e:  # whatever befalls the answer
                raise explain(e, self._config, self._key) from None
        self._dialect.learn_length(request, completion.reply)
        return completion

    def most_tokens(self, request: ChatRequest) -> int:
        """Of the reply, by the limit that is sent."""
        return self._dialect.most_tokens(request)

    async def _answer(self, fields: dict[str, Any], request: ChatRequest) -> Completion:
        """The reply, streamed or whole. One that is finished counts, even if its usage does not come any more."""
        reply = StreamedReply()
        silence = Silence(self._config.first_token_timeout, self._config.timeout)
        try:
            whole = await unless_silent(self._receive(fields, request, reply, silence), silence)
        except (Silent, openai.APIConnectionError):
            if not reply.finished:
                raise
            whole = None
        return whole or reply.completion(request)

    async def _receive(
        self, fields: dict[str, Any], request: ChatRequest, reply: StreamedReply, silence: Silence
    ) -> Completion | None:
        """Reads the chunks of a stream into `reply`. A server that does not stream sends the completion that comes
        back."""
        # Not `chat.completions.create`: it spends half of its time on type checks that are made here.
        stream: openai.AsyncStream[object] = await self._client.post(
            "/chat/completions", cast_to=object, body=fields, stream=True, stream_cls=openai.AsyncStream[object]
        )
        async with stream:
            content_type = stream.response.headers.get("content-type", "")
            if "json" in content_type:
                return read_body(json.loads(await stream.response.aread()), request)
            if "html" in content_type:
                raise ValueError("it answers with HTML and not with JSON; check base_url, which mostly ends in /v1")
            try:
                async for chunk in stream:
                    if reply.take(chunk):
                        silence.broken()
            except openai.APIConnectionError:
                if not reply.finished:
                    raise BrokeOff from None
        if not reply.finished:
            raise BrokeOff
        return None

    async def check(self) -> None:
        """Raises CallFailed when the server cannot be reached or refuses the key; silence says nothing. Costs no
        tokens."""
        await self.models()

    async def models(self) -> list[Model]:
        """The server's list of models; empty where it has none. Raises CallFailed as `check` does."""
        silence = Silence(_LIST_WITHIN_S, _LIST_WITHIN_S)
        try:
            return await unless_silent(self._list_models(), silence)
        except (openai.AuthenticationError, openai.PermissionDeniedError) as e:
            raise explain(e, self._config, self._key) from None
        except (openai.APIStatusError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as e:
            if isinstance(e, openai.APIStatusError) and 300 <= e.status_code < 400:
                raise explain(e, self._config, self._key) from None
            return []  # many servers have no list of models
        except Silent:
            return []  # slow is not dead
        except openai.OpenAIError as e:
            raise explain(e, self._config, self._key) from None

    async def _list_models(self) -> list[Model]:
        client = self._client.with_options(max_retries=1)
        answer: Any = await client.get("/models", cast_to=object)
        models = [read_model(entry) for entry in answer["data"]]
        if [entry.get("owned_by") for entry in answer["data"]] == ["llamacpp"]:  # its list has the context of training
            properties: Any = await client.get(str(client.base_url.join("/props")), cast_to=object)
            context = properties["default_generation_settings"]["n_ctx"]
            models = [model._replace(context=context) for model in models]
        return models

    async def close(self) -> None:
        await self._client.close()


def _api_key(config: EndpointConfig) -> str:
    if config.api_key_env is None:
        return "none"  # the client needs one; local servers ignore it
    key = os.environ.get(config.api_key_env)
    if not key:
        raise ConfigError(f"api_key_env of {config.base_url}: the environment variable {config.api_key_env} is not set")
    return key

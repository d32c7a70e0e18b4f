"""An OpenAI-compatible server over HTTP: single calls, without retries."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Awaitable
from typing import Any, TypeVar

import openai

from pada_ray.config import EndpointConfig
from pada_ray.errors import ConfigError
from pada_ray.llm.chat import ChatReply, ChatRequest, Completion
from pada_ray.llm.dialect import Dialect
from pada_ray.llm.failures import explain, words_of
from pada_ray.llm.token_estimate import count_tokens

T = TypeVar("T")


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
            timeout=None,  # the whole call is timed here; the client would time each read
            default_headers=config.headers,
            # A proxy from the environment must not come between two local processes.
            http_client=openai.DefaultAioHttpClient(timeout=None, trust_env=address is None),
        )

    async def complete(self, request: ChatRequest) -> Completion:
        """One completion. A field that the server refuses is left out of all later calls. Raises CallFailed."""
        while True:
            fields = self._dialect.fields(request)
            try:
                # Not `chat.completions.create`: it spends half of its time on type checks that are made here.
                answer = await self._timed(self._client.post("/chat/completions", cast_to=object, body=fields))
                completion = _read(answer, request)
                self._dialect.learn_length(request, completion.reply)
                return completion
            except openai.APIStatusError as e:
                refused = e.status_code in (400, 422) and self._dialect.learn(fields, words_of(e), e.param)
                if not refused:
                    raise explain(e, self._config, self._key) from None
            except (openai.OpenAIError, asyncio.TimeoutError, ValueError) as e:
                raise explain(e, self._config, self._key) from None

    async def check(self) -> None:
        """Raises CallFailed when the server cannot be reached or refuses the key. Costs no tokens."""
        try:
            await self._timed(self._client.with_options(max_retries=1).models.list())
        except (openai.AuthenticationError, openai.PermissionDeniedError) as e:
            raise explain(e, self._config, self._key) from None
        except openai.APIStatusError:
            pass  # many servers have no list of models
        except (openai.OpenAIError, asyncio.TimeoutError) as e:
            raise explain(e, self._config, self._key) from None

    async def close(self) -> None:
        await self._client.close()

    async def _timed(self, call: Awaitable[T]) -> T:
        return await asyncio.wait_for(call, self._config.timeout)


def _read(answer: Any, request: ChatRequest) -> Completion:
    """A chat completion; ValueError for anything else. Estimates tokens that the server does not report."""
    try:
        choice = answer["choices"][0]
        text = _text(choice["message"].get("content"))
        usage = answer.get("usage") or {}
    except (LookupError, TypeError, AttributeError):
        raise ValueError(f"no chat completion: {answer}") from None
    reply = ChatReply(text=text, cut_off=choice.get("finish_reason") == "length")
    prompt_tokens = usage.get("prompt_tokens") or sum(count_tokens(m.content) for m in request.messages)
    return Completion(reply, prompt_tokens, usage.get("completion_tokens") or count_tokens(text))


def _text(content: Any) -> str:
    if isinstance(content, list):  # parts: some servers put the model's thinking beside its text
        return "".join(part["text"] for part in content if part.get("type") == "text")
    return content or ""


def _api_key(config: EndpointConfig) -> str:
    if config.api_key_env is None:
        return "none"  # the client needs one; local servers ignore it
    key = os.environ.get(config.api_key_env)
    if not key:
        raise ConfigError(f"api_key_env of {config.base_url}: the environment variable {config.api_key_env} is not set")
    return key

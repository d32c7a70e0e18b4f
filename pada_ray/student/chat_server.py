"""A student behind OpenAI's API, for a person or a program that tries it: one reply at a time, greedy as in the run.

POST /v1/chat/completions   GET /v1/models   GET /health
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, Field, ValidationError

from pada_ray.errors import ConfigError
from pada_ray.llm.chat_app import DONE, EVENT_STREAM, chat_app, event
from pada_ray.records import Message
from pada_ray.student.model import Reply, Student
from pada_ray.student.streaming import stream_reply

_LARGEST_BODY = 4 * 2**20  # bytes
_UNSUPPORTED = ("tools", "functions", "response_format", "logprobs", "audio")


class _Part(BaseModel):
    type: Literal["text"]
    text: str


class _Turn(BaseModel):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[_Part]

    def message(self) -> Message:
        text = self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)
        return Message(role="system" if self.role == "developer" else self.role, content=text)


class ChatBody(BaseModel):
    """What a request may say. Sampling parameters are taken and not followed: replies are greedy."""

    messages: list[_Turn] = Field(min_length=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    n: int = Field(default=1, ge=1, le=1)
    stop: str | list[str] | None = None
    stream: bool = False

    @property
    def stops(self) -> list[str]:
        return [self.stop] if isinstance(self.stop, str) else self.stop or []


class ChatServer:
    """Answers requests with one student. `most` is the number of tokens of a reply that names none, and `stop` are the
    texts that end every reply. With `choices` each reply is one of these."""

    def __init__(self, student: Student, name: str, most: int, stop: Sequence[str] = (), choices: Sequence[str] = ()):
        self._student = student
        self._name = name
        self._most = most
        self._stop = stop
        self._choices = choices
        self._free = asyncio.Lock()  # the model gives one reply at a time
        self._started = int(time.time())

    def app(self) -> web.Application:
        return chat_app(self._chat, self._name, self._started, _LARGEST_BODY, _errors_as_json)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = _read(await _text(request))
        messages = [turn.message() for turn in body.messages]
        prompt = self._prompt(messages)
        made = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": self._name}
        if body.stream:
            return await self._streamed(request, body, messages, made)
        reply = await self._reply(request, body, messages, lambda piece: None)
        asked, said = len(prompt), self._tokens(reply)
        usage = {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}
        choice = {"index": 0, "message": {"role": "assistant", "content": reply.text}, "finish_reason": _finish(reply)}
        return web.json_response({**made, "object": "chat.completion", "choices": [choice], "usage": usage})

    async def _streamed(
        self, request: web.Request, body: ChatBody, messages: list[Message], made: dict[str, Any]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=EVENT_STREAM)
        await response.prepare(request)
        pieces: asyncio.Queue[str | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        async def send(delta: dict[str, str], finish: str | None = None) -> None:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            chunk = {**made, "object": "chat.completion.chunk", "choices": [choice]}
            await response.write(event(chunk))

        def put(piece: str | None) -> None:
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

        async def generate() -> Reply | None:
            try:
                return await self._reply(request, body, messages, put)
            except ConnectionResetError:
                return None
            finally:
                put(None)

        generating = asyncio.create_task(generate())
        await send({"role": "assistant", "content": ""})
        while (piece := await pieces.get()) is not None:
            await send({"content": piece})
        reply = await generating
        if reply is not None:
            await send({}, _finish(reply))
            await response.write(DONE)
            await response.write_eof()
        return response

    async def _reply(
        self, request: web.Request, body: ChatBody, messages: Sequence[Message], say: Callable[[str], None]
    ) -> Reply:
        """Raises ConnectionResetError when the client hangs up, so that the next one need not wait for the rest."""
        most = body.max_completion_tokens or body.max_tokens or self._most
        stop = [*self._stop, *body.stops]

        def tell(piece: str) -> None:
            _check_connected(request)
            say(piece)

        async with self._free:
            _check_connected(request)
            return await asyncio.to_thread(stream_reply, self._student, messages, most, tell, stop, self._choices)

    def _prompt(self, messages: Sequence[Message]) -> list[int]:
        try:
            return self._student.encoder.prompt(messages)
        except ConfigError as e:
            raise _BadRequest(str(e)) from None

    def _tokens(self, reply: Reply) -> int:
        return len(self._student.encoder.tokenizer(reply.text, add_special_tokens=False)["input_ids"])


def _check_connected(request: web.Request) -> None:
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the client has hung up")


def _finish(reply: Reply) -> str:
    return "length" if reply.truncated else "stop"


class _BadRequest(ValueError):
    pass


async def _text(request: web.Request) -> str:
    try:
        return await request.text()
    except (UnicodeDecodeError, LookupError):
        raise _BadRequest(f"the body is not text in {request.charset or 'utf-8'}") from None


def _read(text: str) -> ChatBody:
    try:
        found = json.loads(text)
        asked = [key for key in _UNSUPPORTED if isinstance(found, dict) and found.get(key)]
        if asked:
            raise _BadRequest(f"{asked[0]} is not supported here")
        return ChatBody.model_validate(found)
    except ValidationError as e:
        first = e.errors()[0]
        raise _BadRequest(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (json.JSONDecodeError, RecursionError):
        raise _BadRequest("the body is not JSON") from None


@web.middleware
async def _errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except _BadRequest as e:
        return web.json_response({"error": {"message": str(e), "type": "invalid_request_error"}}, status=400)
    except web.HTTPException as e:
        return web.json_response({"error": {"message": e.reason, "type": "invalid_request_error"}}, status=e.status)
    except ConnectionResetError:
        return web.Response()  # which nobody reads

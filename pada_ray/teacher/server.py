"""The offline teacher as an HTTP server: the part of the OpenAI API that this project's client uses.

    POST /v1/chat/completions   GET /v1/models   GET /health

Whole or streamed, one completion per request, no key needed. Four characters count as a token, rounded up.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from aiohttp import web

from pada_ray.config.teacher import TeacherSettings
from pada_ray.errors import EndpointError
from pada_ray.llm.chat_app import DONE, EVENT_STREAM, chat_app, event
from pada_ray.teacher.access_log import Access, AccessLog
from pada_ray.teacher.chat_request import (
    BadRequest,
    ChatRequest,
    content_hash,
    count_tokens,
    cut_to_tokens,
    read_chat_request,
)
from pada_ray.teacher.faults import draw_fault
from pada_ray.teacher.replies import write_reply

LARGEST_BODY = 64 * 2**20  # bytes
PIECE = 200  # characters in a chunk of a stream


class TeacherServer:
    """Answers requests. Its only state is its log and how often each request has arrived (for faults)."""

    def __init__(self, settings: TeacherSettings):
        self.settings = settings
        self._log = AccessLog(settings.access_log)
        self._arrivals: Counter[str] = Counter()

    def app(self) -> web.Application:
        return chat_app(self.chat_completions, self.settings.model, 0, LARGEST_BODY, _errors_as_json)

    async def chat_completions(self, request: web.Request) -> web.StreamResponse:
        began = time.time()
        body = await request.read()
        try:
            chat = read_chat_request(_parse(body))
        except BadRequest as e:
            access = Access(began, content_hash(body.decode(errors="replace")), attempt=1, status=400)
            return await self._send(request, _error(400, e.message, param=e.param), access)
        self._arrivals[chat.content] += 1
        access = Access(began, chat.content, self._arrivals[chat.content], prompt_tokens=chat.prompt_tokens)
        await asyncio.sleep(self.settings.latency_ms / 1000)
        answer = await self._answer(chat, access)
        if isinstance(answer, dict):
            if chat.stream:
                return await self._stream(request, chat, answer, access)
            answer = web.json_response(answer)
        return await self._send(request, answer, access)

    async def _answer(self, chat: ChatRequest, access: Access) -> web.Response | dict[str, Any]:
        """The completion, or an error's response. Its outcome goes into `access`."""
        settings = self.settings
        fault = draw_fault(settings, chat.content, access.attempt)
        reply = write_reply(chat, settings, fault)
        access.prompt = reply.prompt
        access.fault = fault
        if fault == "rate_limit":
            access.status = 429
            wait = {"Retry-After": f"{settings.retry_after_seconds:g}"}
            return _error(429, "rate limit reached; slow down", "rate_limit_exceeded", headers=wait)
        if fault == "server_error":
            access.status = 500
            return _error(500, "the server had an error while processing your request", "server_error")
        if fault == "hang":
            await asyncio.sleep(settings.hang_seconds)
        text, finish_reason = cut_to_tokens(reply.text, chat.max_tokens)
        access.completion_tokens = count_tokens(text)
        return {
            "id": f"chatcmpl-{chat.content[:24]}",
            "object": "chat.completion",
            "created": int(access.time),
            "model": chat.model,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text, "refusal": None},
                    "logprobs": None,
                    "finish_reason": finish_reason,
                }
            ],
            "usage": {
                "prompt_tokens": access.prompt_tokens,
                "completion_tokens": access.completion_tokens,
                "total_tokens": access.prompt_tokens + access.completion_tokens,
            },
        }

    async def _stream(
        self, request: web.Request, chat: ChatRequest, completion: dict[str, Any], access: Access
    ) -> web.StreamResponse:
        """Sends the completion as Server-Sent Events."""
        response = web.StreamResponse(headers=EVENT_STREAM)
        return await self._send(request, response, access, _events(completion, with_usage=chat.stream_usage))

    async def _send(
        self, request: web.Request, response: web.StreamResponse, access: Access, events: Iterable[bytes] = ()
    ) -> web.StreamResponse:
        """Sends the response here and not on return, to know whether it was sent."""
        try:
            await response.prepare(request)
            for event in events:
                await response.write(event)
            await response.write_eof()
            access.sent = request.transport is not None and not request.transport.is_closing()
        except ConnectionError:
            access.sent = False
        access.seconds = round(time.time() - access.time, 6)
        self._log.write(access)
        return response


def _events(completion: dict[str, Any], *, with_usage: bool) -> Iterator[bytes]:
    """The completion in pieces, as the API streams it."""
    (choice,) = completion["choices"]
    text = choice["message"]["content"]
    shared = {key: completion[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}

    def part(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return event(shared | {"choices": [choice]} | ({"usage": None} if with_usage else {}))

    yield part({"role": "assistant", "content": ""})
    for start in range(0, len(text), PIECE):
        yield part({"content": text[start : start + PIECE]})
    yield part({}, choice["finish_reason"])
    if with_usage:
        yield event(shared | {"choices": [], "usage": completion["usage"]})
    yield DONE


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as e:
        raise BadRequest(f"the body is not JSON: {e}") from e


def _error(
    status: int,
    message: str,
    code: str | None = None,
    param: str | None = None,
    headers: dict[str, str] | None = None,
) -> web.Response:
    kind = {429: "rate_limit_error", 500: "server_error"}.get(status, "invalid_request_error")
    error = {"message": message, "type": kind, "param": param, "code": code}
    return web.json_response({"error": error}, status=status, headers=headers)


@web.middleware
async def _errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as e:
        return _error(e.status, f"{e.reason}: {request.method} {request.path}")
    except Exception as e:
        traceback.print_exc()
        return _error(500, f"the offline teacher failed: {type(e).__name__}: {e}")


def serve(
    settings: TeacherSettings,
    host: str = "127.0.0.1",
    port: int = 0,
    announce: Callable[[str], None] | None = None,
    end_with_stdin: bool = False,
) -> None:
    """Serves until interrupted. Once it accepts requests, it calls `announce` with the base URL; without
    `announce` it prints the URL.

    Port 0 takes a free one. With `end_with_stdin` the process ends as soon as its standard input is closed.
    Raises EndpointError if the address is not available.
    """
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(settings, host, port, announce or _print_url, end_with_stdin))


async def _serve(
    settings: TeacherSettings, host: str, port: int, announce: Callable[[str], None], end_with_stdin: bool
) -> None:
    # The teacher writes its own access log; a hanging request must not delay the end.
    runner = web.AppRunner(TeacherServer(settings).app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as e:
            raise EndpointError(f"the offline teacher cannot listen on {host}:{port}: {e}") from e
        bound_host, bound_port = runner.addresses[0][:2]
        shown = f"[{bound_host}]" if ":" in bound_host else bound_host
        if end_with_stdin:
            threading.Thread(target=_end_with_stdin, daemon=True).start()
        announce(f"http://{shown}:{bound_port}/v1")
        await asyncio.sleep(math.inf)
    finally:
        await runner.cleanup()


def _print_url(url: str) -> None:
    print(f"The offline teacher listens at {url}", flush=True)


def _end_with_stdin() -> None:
    # Read from the descriptor: a buffered read would hold a lock that the interpreter needs at exit.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(0)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m pada_ray.teacher.server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port and prints it")
    parser.add_argument("--settings", default="{}", help="TeacherSettings as JSON")
    parser.add_argument("--end-with-stdin", action="store_true", help="end when standard input is closed")
    options = parser.parse_args(arguments)
    settings = TeacherSettings.model_validate_json(options.settings)

    def announce(url: str) -> None:
        print(json.dumps({"url": url}), flush=True)

    try:
        serve(settings, options.host, options.port, announce, options.end_with_stdin)
    except EndpointError as e:
        sys.exit(str(e))


if __name__ == "__main__":
    main()

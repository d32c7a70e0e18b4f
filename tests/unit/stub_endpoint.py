"""A real HTTP server in place of an endpoint: it answers as a test says, and keeps what it was asked."""

import asyncio
import contextlib
import json
import threading

from aiohttp import web

PIECE = 3  # characters


class Stream:
    """An answer in pieces, as Server-Sent Events: each of `events` is a chunk, a text to be sent as one, or a number of
    seconds to wait. `cut` drops the connection after them; `end` is what ends the stream otherwise."""

    def __init__(self, *events, cut=False, end="data: [DONE]\n\n"):
        self.events = events
        self.cut = cut
        self.end = end

    async def send(self, request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):  # who asked has gone
            await self._send(request, response)
        return response

    async def _send(self, request, response):
        for event in self.events:
            if isinstance(event, int | float):
                await asyncio.sleep(event)
                continue
            content = event if isinstance(event, bytes) else json.dumps(as_chunk(event)).encode()
            await response.write(b"data: " + content + b"\n\n")
        if self.cut:
            request.transport.abort()
        else:
            await response.write(self.end.encode())
            await response.write_eof()


class StubEndpoint:
    """A chat endpoint that answers `behaviour(request body, number of the request)`: with a response, or with a Stream.
    A completion is streamed to who asks for that, unless `streams` is false.

    It can be entered again, at another port, and goes on counting.
    """

    def __init__(self, behaviour, streams=True, models=None):
        self.behaviour = behaviour
        self.streams = streams
        self.models = models
        self.bodies = []
        self.headers = []
        self.in_flight = self.most_in_flight = 0

    @property
    def asked(self):
        """The first message of each request."""
        return [body["messages"][0]["content"] for body in self.bodies]

    async def __aenter__(self):
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/props", self._props)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *_):
        await self.runner.cleanup()

    async def _models(self, request):
        return failure(404) if self.models is None else web.json_response({"object": "list", "data": self.models})

    async def _props(self, request):
        return web.json_response({"default_generation_settings": {"n_ctx": 512}})

    async def _chat(self, request):
        body = await request.json()
        self.bodies.append(body)
        self.headers.append(request.headers)
        number = len(self.bodies)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0.02)
            answer = self.behaviour(body, number)
            if self.streams and body.get("stream"):
                answer = streamed(answer, body)
            return await answer.send(request) if isinstance(answer, Stream) else answer
        finally:
            self.in_flight -= 1


def streamed(answer, body):
    """A completion as a Stream; any other answer as it is."""
    if not isinstance(answer, web.Response) or answer.status != 200 or answer.content_type != "application/json":
        return answer
    try:
        completed = json.loads(answer.text)
        choice = completed["choices"][0]
        text = choice["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return answer
    pieces = [text] if not isinstance(text, str) else [text[i : i + PIECE] for i in range(0, len(text), PIECE)]
    usage = completed.get("usage")
    asked = (body.get("stream_options") or {}).get("include_usage")
    last = [{"choices": [], "usage": usage}] if usage is not None and asked else []
    first = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
    return Stream(first, *pieces, finished(choice["finish_reason"]), *last)


def as_chunk(event):
    if isinstance(event, dict) and not ("type" in event and "text" in event):
        return event
    return {"choices": [{"index": 0, "delta": {"content": event}, "finish_reason": None}]}


def finished(reason="stop"):
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


def used(prompt_tokens=7, completion_tokens=2):
    return {"choices": [], "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}}


def completion(text="hello", finish_reason="stop", prompt_tokens=7, completion_tokens=2):
    return completion_with_usage(
        {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
        text,
        finish_reason,
    )


def completion_with_usage(usage, text="hello", finish_reason="stop"):
    return web.json_response(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [
                {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text}}
            ],
            "usage": usage,
        }
    )


def failure(status, message="no", headers=None, param=None, code=None, **more):
    error = {"message": message, "param": param, "code": code} | more
    return web.json_response({"error": error}, status=status, headers=headers)


@contextlib.contextmanager
def in_background(stub):
    """The stub in a thread of its own, for what runs an event loop itself."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(stub.__aenter__(), loop).result()
    try:
        yield stub
    finally:
        asyncio.run_coroutine_threadsafe(stub.__aexit__(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

"""What a server of OpenAI's chat API needs whatever answers: its addresses, its list of one model, its event stream."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

EVENT_STREAM = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}  # headers of a streamed reply
DONE = b"data: [DONE]\n\n"  # its last event


def chat_app(chat: Handler, model: str, created: int, largest_body: int, middleware: Any) -> web.Application:
    """The web application that answers POST /v1/chat/completions by `chat`, GET /v1/models and GET /health.

    Args:
        created: when the model was made, in seconds since the epoch.
        largest_body: bytes of a request.
        middleware: an aiohttp middleware, which turns what `chat` raises into a response.
    """

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def models(_: web.Request) -> web.Response:
        entry = {"id": model, "object": "model", "created": created, "owned_by": "pada-ray"}
        return web.json_response({"object": "list", "data": [entry]})

    app = web.Application(middlewares=[middleware], client_max_size=largest_body)
    routes = [web.get("/health", health), web.get("/v1/models", models), web.post("/v1/chat/completions", chat)]
    app.add_routes(routes)
    return app


def event(chunk: dict[str, Any]) -> bytes:
    """A chunk of a completion as a Server-Sent Event."""
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"

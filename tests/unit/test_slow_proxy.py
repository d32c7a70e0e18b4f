"""The proxy that makes an LLM's server slow."""

from __future__ import annotations

import asyncio
import time

from aiohttp import ClientSession, web

from benchmarks.real.slow_proxy import slowed

RATE = 20  # events a second
EVENTS = [f"data: {i}\n\n".encode() for i in range(8)]


async def stream(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    for event in EVENTS:
        await answer.write(event)
    return answer


async def echo(request: web.Request) -> web.Response:
    told = {"path": request.path_qs, "key": request.headers["Authorization"], "body": await request.text()}
    return web.json_response(told, status=429, headers={"Retry-After": "7"})


async def through(ask):
    """What `ask` makes of a session and the address of a slowed server."""
    app = web.Application()
    app.router.add_get("/stream", stream)
    app.router.add_post("/v1/echo", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with slowed(f"http://127.0.0.1:{runner.addresses[0][1]}", 0, RATE) as url, ClientSession() as session:
            return await ask(session, url)
    finally:
        await runner.cleanup()


def test_a_streamed_reply_comes_whole_and_at_the_rate():
    async def ask(session, url):
        began = time.monotonic()
        async with session.get(f"{url}/stream") as reply:
            assert reply.content_type == "text/event-stream"
            return await reply.read(), time.monotonic() - began

    content, seconds = asyncio.run(through(ask))
    assert content == b"".join(EVENTS)
    assert seconds >= len(EVENTS) / RATE


def test_what_is_not_streamed_passes_with_its_status_and_headers():
    async def ask(session, url):
        own = {"Authorization": "Bearer k"}
        async with session.post(f"{url}/v1/echo?a=1", data="text", headers=own) as reply:
            return reply.status, reply.headers["Retry-After"], await reply.json()

    expected = {"path": "/v1/echo?a=1", "key": "Bearer k", "body": "text"}
    assert asyncio.run(through(ask)) == (429, "7", expected)

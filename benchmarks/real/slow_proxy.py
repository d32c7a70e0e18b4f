"""Stands between a run and an LLM's server and lets its replies through slowly, as a small machine's would come.

    python -m benchmarks.real.slow_proxy --to http://127.0.0.1:8111 --port 8112 --rate 5 --while COMMAND

Each event of a streamed reply, which llama-server sends for each token, waits until its turn at `rate` per second.
What is not streamed passes as it is.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from aiohttp import ClientSession, ClientTimeout, web

_HOP_BY_HOP = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}


@contextlib.asynccontextmanager
async def slowed(to: str, port: int, rate: float) -> AsyncIterator[str]:
    """While inside, the address of an endpoint that passes each call on to the server `to`, and lets `rate` events a
    second of each reply through. `port` 0 takes any that is free."""
    session = ClientSession(timeout=ClientTimeout(total=None))

    async def pass_on(request: web.Request) -> web.StreamResponse:
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _HOP_BY_HOP}
        body = await request.read()
        async with session.request(request.method, to + request.path_qs, headers=headers, data=body) as reply:
            passed = {key: value for key, value in reply.headers.items() if key.lower() not in _HOP_BY_HOP}
            answer = web.StreamResponse(status=reply.status, headers=passed)
            await answer.prepare(request)
            streamed = reply.content_type == "text/event-stream"
            due = time.monotonic()
            async for line in reply.content:
                if streamed and line.startswith(b"data:"):
                    due = max(due, time.monotonic()) + 1 / rate
                    await asyncio.sleep(due - time.monotonic())
                await answer.write(line)
            return answer

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", pass_on)
    # Who no longer waits for a reply ends the server's work on it too.
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
        await session.close()


async def run(to: str, port: int, rate: float, command: list[str]) -> int:
    async with slowed(to, port, rate) as url:
        print(f"{url} passes {rate:g} tokens a second of each reply of {to}", flush=True)
        return await (await asyncio.create_subprocess_exec(*command)).wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", default="http://127.0.0.1:8111", help="the server")
    parser.add_argument("--port", type=int, default=8112)
    parser.add_argument("--rate", type=float, default=5, help="tokens a second of each reply")
    parser.add_argument(
        "--while", nargs=argparse.REMAINDER, dest="command", required=True, help="pass on until it ends"
    )
    given = parser.parse_args()
    raise SystemExit(asyncio.run(run(given.to, given.port, given.rate, given.command)))


if __name__ == "__main__":
    main()

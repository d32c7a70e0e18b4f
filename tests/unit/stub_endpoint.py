"""A real HTTP server in place of an endpoint: it answers as a test says, and keeps what it was asked."""

import asyncio

from aiohttp import web


class StubEndpoint:
    """A chat endpoint that answers `behaviour(request body, number of the request)`.

    It can be entered again, at another port, and goes on counting.
    """

    def __init__(self, behaviour):
        self.behaviour = behaviour
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
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *_):
        await self.runner.cleanup()

    async def _models(self, request):
        return failure(404)

    async def _chat(self, request):
        body = await request.json()
        self.bodies.append(body)
        self.headers.append(request.headers)
        number = len(self.bodies)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0.02)
            return self.behaviour(body, number)
        finally:
            self.in_flight -= 1


def completion(text="hello", finish_reason="stop", prompt_tokens=7, completion_tokens=2):
    return web.json_response(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [
                {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text}}
            ],
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": prompt_tokens + completion_tokens,
            },
        }
    )


def failure(status, message="no", headers=None, param=None):
    return web.json_response({"error": {"message": message, "param": param}}, status=status, headers=headers)

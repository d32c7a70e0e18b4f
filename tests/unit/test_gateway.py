"""The gateway against a real HTTP server with real faults."""

import asyncio
import json
import sqlite3

import pytest
from aiohttp import web

from pada_ray.config import EndpointConfig
from pada_ray.errors import ConfigError, EndpointError
from pada_ray.llm.chat import ChatRequest
from pada_ray.llm.gateway import LlmGateway
from pada_ray.records import Message


class Server:
    """A chat endpoint that answers `behaviour(request body, number of the request)`."""

    def __init__(self, behaviour):
        self.behaviour = behaviour
        self.bodies = []
        self.headers = []
        self.in_flight = self.most_in_flight = 0

    async def __aenter__(self):
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._chat)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_):
        await self.runner.cleanup()

    async def _chat(self, request):
        self.bodies.append(await request.json())
        self.headers.append(request.headers)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0.02)
            return self.behaviour(self.bodies[-1], len(self.bodies))
        finally:
            self.in_flight -= 1


def completion(text="hello", finish_reason="stop"):
    return web.json_response(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [
                {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text}}
            ],
            "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
        }
    )


def failure(status, message="no", headers=None, param=None):
    return web.json_response({"error": {"message": message, "param": param}}, status=status, headers=headers)


def question(text="hi", seed=None):
    return ChatRequest(
        messages=[Message(role="user", content=text)],
        reply_schema={"type": "object", "properties": {}},
        temperature=0,
        seed=seed,
        purpose="test",
    )


def run(tmp_path, behaviour, use, **endpoint):
    async def main():
        async with Server(behaviour) as server:
            settings = EndpointConfig(base_url=server.url, model="m", **endpoint)
            return server, await use(LlmGateway(settings, "teacher", "a-run", str(tmp_path / "replies.sqlite")))

    return asyncio.run(main())


def test_equal_requests_are_one_call(tmp_path):
    async def use(gateway):
        together = await asyncio.gather(*(gateway.chat(question()) for _ in range(5)))
        later = await gateway.chat(question())
        other = await gateway.chat(question(seed=1))
        return [*together, later, other], await gateway.usage()

    server, (replies, usage) = run(tmp_path, lambda body, n: completion(), use)
    assert {r.text for r in replies} == {"hello"}
    assert len(server.bodies) == 2
    assert [(u.calls, u.prompt_tokens, u.completion_tokens) for u in usage] == [(2, 14, 4)]


def test_a_reply_that_arrived_outlives_the_gateway(tmp_path):
    settings = EndpointConfig(base_url="offline", model="m", max_retries=0)
    path = str(tmp_path / "replies.sqlite")

    async def again():
        async with Server(lambda body, n: completion("first")) as server:
            first = await LlmGateway(settings, "teacher", "a-run", path, server.url).chat(question())
        # The server is gone, and the address another: what was paid for is still known.
        second = await LlmGateway(settings, "teacher", "a-run", path, "http://127.0.0.1:1/v1").chat(question())
        return first, second

    first, second = asyncio.run(again())
    assert first == second
    assert first.text == "first"


def test_limits_calls_in_flight(tmp_path):
    async def use(gateway):
        await asyncio.gather(*(gateway.chat(question(str(i))) for i in range(20)))

    server, _ = run(tmp_path, lambda body, n: completion(), use, max_in_flight=3)
    assert len(server.bodies) == 20
    assert server.most_in_flight == 3


def test_retries_as_the_server_asks(tmp_path):
    answers = {1: lambda: failure(429, headers={"Retry-After": "0.05"}), 2: lambda: failure(500)}

    async def use(gateway):
        return await gateway.chat(question())

    server, reply = run(tmp_path, lambda body, n: answers.get(n, completion)(), use)
    assert reply.text == "hello"
    assert len(server.bodies) == 3


def test_remembers_what_a_server_refuses(tmp_path):
    def behaviour(body, n):
        if "response_format" in body:
            return failure(400, "response_format of type json_schema is not supported")
        if "max_tokens" in body:
            return failure(400, "use 'max_completion_tokens' instead", param="max_tokens")
        if "temperature" in body:
            return failure(400, "unsupported value", param="temperature")
        return completion()

    async def use(gateway):
        await gateway.chat(question("one"))
        await gateway.chat(question("two"))

    server, _ = run(tmp_path, behaviour, use)
    assert len(server.bodies) == 5  # three refusals, once each
    assert set(server.bodies[-1]) == {"model", "messages", "max_completion_tokens"}


def test_other_bad_requests_are_told(tmp_path):
    async def use(gateway):
        await gateway.chat(question())

    with pytest.raises(EndpointError, match="400 - the prompt is too long"):
        run(tmp_path, lambda body, n: failure(400, "the prompt is too long"), use)


def test_a_refused_key_is_named_by_its_variable_and_never_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-very-secret")

    async def use(gateway):
        await gateway.chat(question())

    with pytest.raises(EndpointError) as e:
        run(tmp_path, lambda body, n: failure(401, "bad key sk-very-secret"), use, api_key_env="MY_KEY")
    assert "$MY_KEY" in str(e.value)
    assert "secret" not in str(e.value)


def test_the_key_goes_to_the_server_and_to_no_file(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-very-secret")

    async def use(gateway):
        await gateway.chat(question())

    server, _ = run(tmp_path, lambda body, n: completion(), use, api_key_env="MY_KEY")
    assert server.headers[0]["Authorization"] == "Bearer sk-very-secret"
    for file in tmp_path.iterdir():
        assert b"secret" not in file.read_bytes()


def test_a_missing_key_is_an_error_before_any_call(tmp_path, monkeypatch):
    monkeypatch.delenv("MY_KEY", raising=False)
    settings = EndpointConfig(base_url="http://127.0.0.1:1/v1", model="m", api_key_env="MY_KEY")
    with pytest.raises(ConfigError, match=r"llm\.judge\.api_key_env: the environment variable MY_KEY is not set"):
        LlmGateway(settings, "judge", "a-run", str(tmp_path / "r.sqlite"))


def test_no_server_is_told(tmp_path):
    settings = EndpointConfig(base_url="http://127.0.0.1:1/v1", model="m", max_retries=0)
    gateway_check = LlmGateway(settings, "teacher", "a-run", str(tmp_path / "r.sqlite")).check
    with pytest.raises(EndpointError, match="cannot be reached"):
        asyncio.run(gateway_check())


def test_a_failed_call_leaves_no_reply(tmp_path):
    async def use(gateway):
        with pytest.raises(EndpointError):
            await gateway.chat(question())
        return await gateway.chat(question())

    answers = {1: lambda: failure(500)}
    _, reply = run(tmp_path, lambda body, n: answers.get(n, completion)(), use, max_retries=0)
    assert reply.text == "hello"
    rows = sqlite3.connect(tmp_path / "replies.sqlite").execute("SELECT request FROM replies").fetchall()
    assert [json.loads(r[0])["purpose"] for r in rows] == ["test"]


def test_a_cut_off_reply_is_marked(tmp_path):
    async def use(gateway):
        return await gateway.chat(question())

    _, reply = run(tmp_path, lambda body, n: completion("{", "length"), use)
    assert reply.cut_off

"""The gateway against a real HTTP server with real faults."""

import asyncio
import json
import socket
import sqlite3

import pytest
from aiohttp import web
from builders import chat_request, room_for
from stub_endpoint import Stream, StubEndpoint, completion, failure, finished

from pada_ray import storage
from pada_ray.config import Budget, EndpointConfig, Price
from pada_ray.config.teacher import TeacherSettings
from pada_ray.errors import (
    BudgetReached,
    ConfigError,
    DiskFull,
    EndpointDown,
    EndpointError,
    StorageError,
    UnreadableReply,
)
from pada_ray.llm import endpoint
from pada_ray.llm.chat import ChatReply, Payer
from pada_ray.llm.client import GatewayLlm
from pada_ray.llm.gateway import LlmGateway
from pada_ray.teacher.access_log import read_access_log
from pada_ray.teacher.process import start_teacher

ONE, OTHER = Payer(run="runs/one"), Payer(run="runs/other")


def question(text="hi", seed=None):
    return chat_request(text, reply_schema={"type": "object", "properties": {}}, seed=seed)


def run(tmp_path, behaviour, use, **endpoint):
    async def main():
        async with StubEndpoint(behaviour) as server:
            settings = EndpointConfig(base_url="offline", model="m", **endpoint)
            gateway = LlmGateway(settings, cache_in(tmp_path), server.url)
            try:
                return server, await use(gateway)
            finally:
                await gateway.close()

    return asyncio.run(main())


def cache_in(tmp_path):
    return str(tmp_path / "replies.sqlite")


async def ask_one(gateway):
    return await gateway.chat(question(), ONE, "teacher")


def test_equal_requests_are_one_call(tmp_path):
    async def use(gateway):
        together = await asyncio.gather(*(ask_one(gateway) for _ in range(5)))
        later = await ask_one(gateway)
        other = await gateway.chat(question(seed=1), ONE, "teacher")
        return [*together, later, other], await gateway.usage(ONE.run)

    server, (replies, usage) = run(tmp_path, lambda body, n: completion(), use)
    assert {r.text for r in replies} == {"hello"}
    assert len(server.bodies) == 2
    assert [(u.calls, u.prompt_tokens, u.completion_tokens, u.usd) for u in usage] == [(2, 14, 4, None)]


def test_runs_share_replies_and_whoever_asked_first_pays(tmp_path):
    async def use(gateway):
        one, other = GatewayLlm(gateway, ONE, "teacher"), GatewayLlm(gateway, OTHER, "judge")
        await asyncio.gather(one.chat(question("a")), other.chat(question("a")))
        for _ in range(2):
            await other.chat(question("b"))
            await other.chat(question("a"))
        poor = Payer(run=OTHER.run, budget=Budget(tokens=10))
        with pytest.raises(BudgetReached, match="9 of 10 tokens are spent"):  # of its own budget
            await gateway.chat(question("c"), poor, "judge")
        return await one.usage(), await other.usage()

    server, (one, other) = run(
        tmp_path, lambda body, n: completion(), use, price=Price(prompt=1_000_000, completion=10)
    )
    assert len(server.bodies) == 2
    assert [(u.role, u.purpose, u.calls, u.shared) for u in one] == [("teacher", "test", 1, False)]
    assert [(u.role, u.purpose, u.calls, u.shared) for u in other] == [
        ("judge", "test", 1, False),
        ("judge", "test", 1, True),
    ]
    assert {u.prompt_tokens for u in other} == {7}
    assert sum(u.prompt_tokens + u.completion_tokens for u in other if not u.shared) == 9
    assert one[0].usd == pytest.approx(7 + 2 * 10 / 1e6)


def test_who_stops_waiting_does_not_stop_the_call(tmp_path):
    async def use(gateway):
        impatient = asyncio.create_task(ask_one(gateway))
        patient = asyncio.create_task(ask_one(gateway))
        await asyncio.sleep(0.01)
        impatient.cancel()
        return await patient

    server, reply = run(tmp_path, lambda body, n: completion(), use)
    assert reply.text == "hello"
    assert len(server.bodies) == 1


def test_a_call_that_no_one_waits_for_is_stored_and_can_be_waited_for(tmp_path):
    async def use(gateway):
        waiting = asyncio.create_task(ask_one(gateway))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await gateway.finish(OTHER.run)
        assert await gateway.usage(ONE.run) == []
        await gateway.finish(ONE.run)
        assert len(await gateway.usage(ONE.run)) == 1
        return await ask_one(gateway)

    server, _ = run(tmp_path, lambda body, n: completion(), use)
    assert len(server.bodies) == 1


def test_a_budget_ends_one_run_and_no_other(tmp_path):
    poor = Payer(run="runs/poor", budget=Budget(tokens=200))

    async def use(gateway):
        asked = [gateway.chat(question(str(i)), poor, "teacher") for i in range(40)]
        ends = await asyncio.gather(*asked, return_exceptions=True)
        await gateway.chat(question("another"), OTHER, "teacher")
        return ends, await gateway.usage(poor.run)

    _, (ends, usage) = run(tmp_path, lambda body, n: completion(), use, max_tokens=16)
    reached = [e for e in ends if isinstance(e, BudgetReached)]
    assert 0 < len(reached) < 40
    assert usage[0].calls == 40 - len(reached)
    spent = usage[0].prompt_tokens + usage[0].completion_tokens
    assert 100 <= spent <= 200


@pytest.mark.parametrize("at_once", [1, 4, None])
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("body", [{}, {"max_tokens": 700}, {"max_completion_tokens": 700}])
def test_no_budget_is_overspent_by_a_model_that_thinks_up_to_its_limit(tmp_path, at_once, known, body):
    """Its first reply tells that it does, while other calls have a budget for a short reply and wait for their turn."""
    poor = Payer(run="runs/poor", budget=Budget(tokens=5000))

    def behaviour(sent, n):
        most = max(sent[name] for name in ("max_tokens", "max_completion_tokens") if name in sent)
        return completion("<think>Hm.", "length", completion_tokens=most)

    async def use(gateway):
        short = [question(str(i)).model_copy(update={"max_tokens": 64}) for i in range(30)]
        if known:
            await gateway.chat(short[0], ONE, "teacher")
        asked = [gateway.chat(request, poor, "teacher") for request in short[1:]]
        ends = await asyncio.gather(*asked, return_exceptions=True)
        return ends, await gateway.usage(poor.run)

    endpoint = {"max_tokens": 900, "max_in_flight": at_once, "body": body}
    _, (ends, (usage,)) = run(tmp_path, behaviour, use, **endpoint)
    assert {type(end) for end in ends} == {BudgetReached, ChatReply}
    assert usage.prompt_tokens + usage.completion_tokens <= 5000


def test_who_waits_for_another_runs_reply_is_not_ended_by_that_runs_budget(tmp_path):
    poor = Payer(run="runs/poor", budget=Budget(tokens=500))

    async def use(gateway):
        short = [question(text).model_copy(update={"max_tokens": 64}) for text in ("first", "second")]
        first = asyncio.create_task(gateway.chat(short[0], OTHER, "teacher"))
        await asyncio.sleep(0)
        ends = await asyncio.gather(
            *(gateway.chat(short[1], payer, "teacher") for payer in (poor, ONE, OTHER)), return_exceptions=True
        )
        await first
        return ends

    _, ends = run(tmp_path, lambda body, n: completion("<think>Hm.", "length"), use, max_tokens=900, max_in_flight=1)
    assert [type(end) for end in ends] == [BudgetReached, ChatReply, ChatReply]


def test_a_budget_outlives_the_gateway_and_can_be_raised(tmp_path):
    def reached(usd):
        payer = Payer(run="runs/a", budget=Budget(usd=usd))

        async def use(gateway):
            asked = [gateway.chat(question(str(i)), payer, "teacher") for i in range(10)]
            return await asyncio.gather(*asked, return_exceptions=True)

        # A call may cost 0.016 USD and costs 0.002.
        price = Price(prompt=0, completion=1000)
        _, ends = run(tmp_path, lambda body, n: completion(), use, max_tokens=16, price=price)
        return sum(isinstance(e, BudgetReached) for e in ends)

    assert reached(0.021) == 7
    assert reached(0.021) == 7  # the three that were paid for are known
    assert reached(0.031) == 2


def test_no_reply_is_lost_or_paid_for_twice_on_a_bad_day(tmp_path):
    log = str(tmp_path / "teacher.jsonl")
    faults = {"rate_limit": 0.15, "server_error": 0.15, "hang": 0.05}
    settings = TeacherSettings(faults=faults, hang_seconds=30, retry_after_seconds=0.05, access_log=log, latency_ms=5)

    async def main(url):
        endpoint = EndpointConfig(base_url="offline", model="m", first_token_timeout=3)
        gateway = LlmGateway(endpoint, cache_in(tmp_path), url)
        asked = [gateway.chat(question(str(i)), ONE, "teacher") for i in range(60)]
        replies = await asyncio.gather(*asked)
        usage = await gateway.usage(ONE.run)
        await gateway.close()
        return replies, usage

    with start_teacher(settings) as teacher:
        replies, usage = asyncio.run(main(teacher.url))
    assert len(replies) == 60
    assert usage[0].calls == 60
    answered = [access for access in read_access_log(log) if access.status == 200 and access.fault is None]
    assert len(answered) == 60
    # What hangs is written down when it ends, which may be after all this.
    assert {access.fault for access in read_access_log(log)} >= {None, "rate_limit", "server_error"}


def test_a_reply_that_arrived_outlives_the_gateway(tmp_path):
    settings = EndpointConfig(base_url="offline", model="m", max_retries=0)

    async def ask_at(address):
        gateway = LlmGateway(settings, cache_in(tmp_path), address)
        reply = await ask_one(gateway)
        await gateway.close()
        return reply

    async def again():
        async with StubEndpoint(lambda body, n: completion("first")) as server:
            first = await ask_at(server.url)
        # The server is gone, and the address another: what was paid for is still known.
        return first, await ask_at("http://127.0.0.1:1/v1")

    first, second = asyncio.run(again())
    assert first == second
    assert first.text == "first"


def test_limits_calls_in_flight(tmp_path):
    async def use(gateway):
        await asyncio.gather(*(gateway.chat(question(str(i)), ONE, "teacher") for i in range(20)))

    server, _ = run(tmp_path, lambda body, n: completion(), use, max_in_flight=3)
    assert len(server.bodies) == 20
    assert server.most_in_flight == 3


def test_retries_as_the_server_asks(tmp_path):
    answers = {1: lambda: failure(429, headers={"Retry-After": "0.05"}), 2: lambda: failure(500)}

    async def use(gateway):
        return await ask_one(gateway)

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
            return web.json_response({"detail": "Unexpected fields: {'temperature'}"}, status=422)  # as FastAPI puts it
        return completion()

    async def use(gateway):
        await gateway.chat(question("one"), ONE, "teacher")
        await gateway.chat(question("two"), ONE, "teacher")

    server, _ = run(tmp_path, behaviour, use)
    assert len(server.bodies) == 6  # four refusals, once each
    assert set(server.bodies[-1]) == {"model", "messages", "max_completion_tokens", "stream", "stream_options"}
    assert "JSON schema" in server.bodies[-1]["messages"][0]["content"]


INVALID = {"code": "json_validate_failed", "failed_generation": "{'schema': temperature, 'response_format': max_tokens"}


def test_a_reply_that_the_server_finds_invalid_is_asked_for_again(tmp_path):
    def behaviour(body, n):
        return (
            failure(400, "Failed to generate JSON. Please adjust your prompt.", **INVALID) if n == 2 else completion()
        )

    async def use(gateway):
        return await asyncio.gather(*(gateway.chat(question(str(i)), ONE, "teacher") for i in range(3)))

    server, replies = run(tmp_path, behaviour, use, max_in_flight=1)
    assert [r.text for r in replies] == ["hello"] * 3
    assert len(server.bodies) == 4
    assert all(set(body) == set(server.bodies[0]) for body in server.bodies)  # nothing was learned from it


def test_a_reply_that_the_server_always_finds_invalid_is_unreadable(tmp_path):
    def behaviour(body, n):
        bad = body["messages"][0]["content"] == "bad"
        return failure(400, "Generated JSON does not match the schema", **INVALID) if bad else completion()

    async def use(gateway):
        with pytest.raises(UnreadableReply, match=r"^test: offline \(m\) could not write a reply .* does not match"):
            await gateway.chat(question("bad"), ONE, "teacher")
        return await gateway.chat(question("good"), ONE, "teacher")

    server, reply = run(tmp_path, behaviour, use)
    assert reply.text == "hello"
    assert server.asked == ["bad"] * 3 + ["good"]


def test_other_bad_requests_are_told(tmp_path):
    async def use(gateway):
        await ask_one(gateway)
        await gateway.chat(question("two"), ONE, "teacher")

    with pytest.raises(EndpointError, match="400 - no such field"):
        run(tmp_path, lambda body, n: completion() if n == 1 else failure(400, "no such field"), use)


def test_a_prompt_that_alone_is_refused_is_a_fact_about_one_call(tmp_path):
    def behaviour(body, n):
        return failure(400, "content_filter") if "guns" in body["messages"][0]["content"] else completion()

    async def use(gateway):
        with pytest.raises(EndpointError, match="400 - content_filter"):  # as if it were to refuse all of them
            await gateway.chat(question("guns"), ONE, "teacher")
        await gateway.chat(question("roses"), ONE, "teacher")
        with pytest.raises(UnreadableReply, match=r"^test: offline \(m\) says: .* 400 - content_filter$"):
            await gateway.chat(question("guns"), ONE, "teacher")
        with pytest.raises(EndpointError, match="400 - content_filter"):  # nothing is known of the judge yet
            await gateway.chat(question("more guns"), ONE, "judge")

    run(tmp_path, behaviour, use)


@pytest.mark.parametrize("at_once", [1, 4, None])
@pytest.mark.parametrize("refused", [["0"], ["4"], ["0", "1", "2", "3"], ["1", "2", "3", "4"]])
@pytest.mark.parametrize("slow", [True, False])
def test_whoever_answers_first_a_prompt_that_alone_is_refused_is_a_fact(tmp_path, at_once, refused, slow):
    def behaviour(body, n):
        if body["messages"][0]["content"] in refused:
            return failure(400, "content_filter")
        return Stream(0.2, "hello", finished()) if slow else completion()

    async def use(gateway):
        asked = [gateway.chat(question(str(i)), ONE, "teacher") for i in range(5)]
        return await asyncio.gather(*asked, return_exceptions=True)

    _, ends = run(tmp_path, behaviour, use, max_in_flight=at_once)
    for i, end in enumerate(ends):
        assert type(end) is (UnreadableReply if str(i) in refused else ChatReply)


def test_a_reply_that_another_run_pays_for_tells_as_much(tmp_path):
    def behaviour(body, n):
        return failure(400, "content_filter") if body["messages"][0]["content"] == "guns" else completion()

    async def use(gateway):
        asked = [("roses", OTHER), ("guns", ONE), ("guns", OTHER), ("roses", ONE)]
        calls = [gateway.chat(question(text), payer, "teacher") for text, payer in asked]
        return await asyncio.gather(*calls, return_exceptions=True)

    _, ends = run(tmp_path, behaviour, use, max_in_flight=1)
    assert [type(end) for end in ends] == [ChatReply, UnreadableReply, UnreadableReply, ChatReply]


def test_where_every_prompt_is_refused_the_run_ends_with_the_way_to_go_on(tmp_path):
    async def use(gateway):
        calls = [gateway.chat(question(str(i)), payer, "teacher") for i in range(9) for payer in (ONE, OTHER)]
        return await asyncio.gather(*calls, return_exceptions=True)

    _, ends = run(tmp_path, lambda body, n: failure(400, "maximum context length is 512 tokens"), use)
    for i, end in enumerate(ends):
        assert isinstance(end, EndpointError)
        assert str(end).endswith(f"; fix it, then continue with `pada resume {(ONE, OTHER)[i % 2].run}`")


def test_a_refused_key_is_named_by_its_variable_and_never_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-very-secret")

    async def use(gateway):
        await ask_one(gateway)

    with pytest.raises(EndpointError) as e:
        run(tmp_path, lambda body, n: failure(401, "bad key sk-very-secret"), use, api_key_env="MY_KEY")
    assert "$MY_KEY" in str(e.value)
    assert "secret" not in str(e.value)


def test_the_key_goes_to_the_server_and_to_no_file(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-very-secret")

    async def use(gateway):
        await ask_one(gateway)

    server, _ = run(tmp_path, lambda body, n: completion(), use, api_key_env="MY_KEY")
    assert server.headers[0]["Authorization"] == "Bearer sk-very-secret"
    for file in tmp_path.iterdir():
        assert b"secret" not in file.read_bytes()


def test_a_missing_key_is_an_error_before_any_call(tmp_path, monkeypatch):
    monkeypatch.delenv("MY_KEY", raising=False)
    settings = EndpointConfig(base_url="http://127.0.0.1:1/v1", model="m", api_key_env="MY_KEY")
    with pytest.raises(ConfigError, match=r"http://127\.0\.0\.1:1/v1: the environment variable MY_KEY is not set"):
        LlmGateway(settings, cache_in(tmp_path))


def check(tmp_path, base_url, **endpoint):
    async def main():
        gateway = LlmGateway(EndpointConfig(base_url=base_url, model="m", **endpoint), cache_in(tmp_path))
        try:
            await gateway.check()
        finally:
            await gateway.close()

    asyncio.run(main())


def test_where_no_llm_is_asked_nothing_is_looked_for(tmp_path):
    check(tmp_path, "none")


def test_no_server_is_told(tmp_path):
    with pytest.raises(EndpointError, match="cannot be reached"):
        check(tmp_path, "http://127.0.0.1:1/v1")


def test_a_server_without_a_list_of_models_is_there(tmp_path):
    async def use(gateway):
        await gateway.check()

    server, _ = run(tmp_path, lambda body, n: completion(), use)
    assert server.bodies == []


def test_a_server_whose_list_of_models_does_not_come_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(endpoint, "_LIST_WITHIN_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        check(tmp_path, f"http://127.0.0.1:{server.getsockname()[1]}/v1")


def test_a_server_that_does_not_answer_is_told(tmp_path):
    async def use(gateway):
        await ask_one(gateway)

    with pytest.raises(EndpointError, match=r"did not answer within 0\.01 s"):
        run(tmp_path, lambda body, n: completion(), use, first_token_timeout=0.01, max_retries=0)


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(text="<html>Bad gateway</html>", content_type="text/html"),
        lambda: web.Response(text="{", content_type="application/json"),
        lambda: web.json_response({"error": {"message": "the model is loading"}}),
        lambda: web.json_response({"choices": []}),
    ],
)
def test_an_answer_that_is_no_completion_is_asked_for_again(tmp_path, answer):
    async def use(gateway):
        return await ask_one(gateway)

    server, reply = run(tmp_path, lambda body, n: answer() if n == 1 else completion(), use)
    assert reply.text == "hello"
    assert len(server.bodies) == 2


def test_a_reply_in_parts_is_put_together(tmp_path):
    parts = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "he"}, {"type": "text", "text": "llo"}]
    _, reply = run(tmp_path, lambda body, n: completion(parts), ask_one)
    assert reply.text == "hello"


def test_tokens_that_the_server_does_not_tell_are_counted(tmp_path):
    async def use(gateway):
        await gateway.chat(question("x" * 400), ONE, "teacher")
        return await gateway.usage(ONE.run)

    def behaviour(body, n):
        message = {"role": "assistant", "content": "y" * 80}
        return web.json_response({"choices": [{"index": 0, "finish_reason": "stop", "message": message}]})

    _, (usage,) = run(tmp_path, behaviour, use)
    assert (usage.prompt_tokens, usage.completion_tokens) == (100, 20)


def test_extra_headers_and_fields_go_along(tmp_path):
    headers, body = {"X-Team": "slm"}, {"reasoning_effort": "low"}
    server, _ = run(tmp_path, lambda body, n: completion(), ask_one, headers=headers, body=body)
    assert server.headers[0]["X-Team"] == "slm"
    assert server.bodies[0]["reasoning_effort"] == "low"


def test_a_failed_call_leaves_no_reply(tmp_path):
    async def use(gateway):
        with pytest.raises(EndpointError):
            await ask_one(gateway)
        return await ask_one(gateway)

    answers = {1: lambda: failure(500)}
    _, reply = run(tmp_path, lambda body, n: answers.get(n, completion)(), use, max_retries=0)
    assert reply.text == "hello"
    rows = sqlite3.connect(cache_in(tmp_path)).execute("SELECT request FROM replies").fetchall()
    assert [json.loads(r[0])["purpose"] for r in rows] == ["test"]


def test_a_cut_off_reply_is_marked(tmp_path):
    async def use(gateway):
        return await ask_one(gateway)

    _, reply = run(tmp_path, lambda body, n: completion("{", "length"), use)
    assert reply.cut_off


def test_what_stops_a_run_names_the_run_in_the_command_to_go_on_with(tmp_path):
    """Also where two runs wait for one call."""

    async def use(gateway):
        asked = [gateway.chat(question(), payer, "teacher") for payer in (ONE, OTHER)]
        return await asyncio.gather(*asked, return_exceptions=True)

    for answer in (failure(401), failure(500), failure(400, "no such field"), failure(404)):
        code, text = answer.status, answer.text
        server, ends = run(
            tmp_path,
            lambda body, n, c=code, t=text: web.Response(status=c, text=t, content_type="application/json"),
            use,
            max_retries=0,
        )
        assert len(server.bodies) == 1
        for end, payer in zip(ends, (ONE, OTHER), strict=True):
            assert str(end).endswith(f"; fix it, then continue with `pada resume {payer.run}`")


def test_an_outage_longer_than_the_patience_pauses_with_the_way_to_go_on(tmp_path):
    async def use(gateway):
        with pytest.raises(EndpointDown, match=r"; continue with `pada resume runs/one`$") as e:
            await ask_one(gateway)
        assert e.value.exit_code == 3

    run(tmp_path, lambda body, n: failure(503), use, patience=0, max_retries=0)


def test_a_run_that_ends_waits_for_what_is_sent_and_sends_no_more(tmp_path):
    async def use(gateway):
        asked = [asyncio.create_task(gateway.chat(question(str(i)), ONE, "teacher")) for i in range(10)]
        shared = asyncio.create_task(gateway.chat(question("9"), OTHER, "teacher"))  # which has not ended
        await asyncio.sleep(0.01)
        assert await gateway.under_way(ONE.run) == 2
        await gateway.finish(ONE.run)
        assert await gateway.under_way(ONE.run) == 0
        ends = await asyncio.gather(*asked, return_exceptions=True)
        return ends, await shared, await gateway.usage(ONE.run), await gateway.usage(OTHER.run)

    server, (ends, shared, mine, its) = run(tmp_path, lambda body, n: completion(), use, max_in_flight=2)
    assert sum(isinstance(end, EndpointError) for end in ends) == 8
    assert shared.text == "hello"
    assert (mine[0].calls, its[0].calls) == (2, 1)
    assert len(server.bodies) == 3


@pytest.mark.parametrize("others", [1, 2, 5])
def test_a_run_that_ends_stops_none_of_the_runs_that_wait_for_the_same_reply(tmp_path, others):
    waiting = [Payer(run=f"runs/{i}") for i in range(others)]

    async def use(gateway):
        busy = asyncio.create_task(gateway.chat(question("busy"), OTHER, "teacher"))
        await asyncio.sleep(0)
        payers = [ONE, *waiting]
        asked = [asyncio.create_task(gateway.chat(question("same"), payer, "teacher")) for payer in payers]
        await asyncio.sleep(0.01)
        await gateway.finish(ONE.run)
        await busy
        return await asyncio.gather(*asked, return_exceptions=True)

    server, (mine, *theirs) = run(tmp_path, lambda body, n: completion(), use, max_in_flight=1)
    assert isinstance(mine, EndpointError)
    assert [getattr(reply, "text", reply) for reply in theirs] == ["hello"] * others
    assert server.asked == ["busy", "same"]


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_a_run_that_has_lost_a_reply_buys_no_more(tmp_path, at_once):
    async def use(gateway):
        with room_for(1024):
            asked = [gateway.chat(question(str(i)), ONE, "teacher") for i in range(20)]
            ends = await asyncio.gather(*asked, return_exceptions=True)
            with pytest.raises(StorageError):
                await gateway.chat(question("later"), ONE, "teacher")
        other = await gateway.chat(question("of another run"), OTHER, "teacher")
        await gateway.finish(ONE.run)
        return ends, other, await ask_one(gateway)

    server, (ends, other, after) = run(tmp_path, lambda body, n: completion(), use, max_in_flight=at_once)
    assert all(isinstance(end, StorageError) and cache_in(tmp_path) in str(end) for end in ends)
    assert server.asked == [*map(str, range(at_once)), "of another run", "hi"]
    assert other.text == after.text == "hello"


def test_nothing_is_bought_on_a_full_disk(tmp_path, monkeypatch):
    async def use(gateway):
        asked = [asyncio.create_task(gateway.chat(question(str(i)), ONE, "teacher")) for i in range(5)]
        await asyncio.sleep(0.01)
        monkeypatch.setattr(storage, "free_bytes", lambda path: 1_000_000)
        ends = await asyncio.gather(*asked, return_exceptions=True)
        monkeypatch.undo()
        return ends, await ask_one(gateway)

    server, ((first, *others), after) = run(tmp_path, lambda body, n: completion(), use, max_in_flight=1)
    assert first.text == after.text == "hello"
    assert all(isinstance(end, DiskFull) and "8.0 MB are needed" in str(end) for end in others)
    assert server.asked == ["0", "hi"]


def test_calls_that_wait_and_are_made_again_are_told(tmp_path):
    async def use(gateway):
        assert await gateway.waiting(ONE.run, "teacher") is None
        asked = [asyncio.create_task(gateway.chat(question(str(i)), ONE, "teacher")) for i in range(3)]
        await asyncio.sleep(0.3)
        told = await gateway.waiting(ONE.run, "teacher")
        others = [await gateway.waiting(ONE.run, "judge"), await gateway.waiting(OTHER.run, "teacher")]
        await asyncio.gather(*asked)
        return told, others, await gateway.waiting(ONE.run, "teacher")

    def behaviour(body, n):
        return Stream(0.5, "hello", finished()) if n > 1 else failure(429, headers={"Retry-After": "0.5"})

    _, (told, others, after) = run(tmp_path, behaviour, use)
    assert told.describe() == "teacher: 3 calls waiting 0 s, 1 retried (rate limit)"
    assert others == [None, None]
    assert after is None

"""Streamed replies, against a real HTTP server: what is put together, what is no reply, and what silence is."""

import asyncio
import json

import pytest
from aiohttp import web
from builders import chat_request
from stub_endpoint import Stream, StubEndpoint, completion, completion_with_usage, failure, finished, used
from virtual_time import run_in_virtual_time

from pada_ray.config import EndpointConfig
from pada_ray.llm.database import open_database
from pada_ray.llm.endpoint import Endpoint
from pada_ray.llm.failures import CallFailed, Kind
from pada_ray.llm.silence import Silence, Silent, unless_silent

ROLE = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}


def question():
    return chat_request("say hello, please", reply_schema={"type": "object", "properties": {}})


def complete(behaviour, *, times=1, streams=True, **endpoint):
    """The server, and what the last of `times` calls without retries gives: a completion, or the failure."""

    async def main():
        async with StubEndpoint(behaviour, streams) as server:
            settings = EndpointConfig(base_url="offline", model="m", **endpoint)
            client = Endpoint(settings, server.url, open_database(":memory:"))
            try:
                for _ in range(times):
                    answer = await client.complete(question())
            except CallFailed as e:
                answer = e
            finally:
                await client.close()
            return server, answer

    return asyncio.run(main())


def test_a_stream_is_asked_for_with_its_usage_and_put_together():
    server, answer = complete(lambda body, n: completion("a longer reply in pieces"))
    assert server.bodies[0]["stream"] is True
    assert server.bodies[0]["stream_options"] == {"include_usage": True}
    assert answer.reply.text == "a longer reply in pieces"
    assert (answer.prompt_tokens, answer.completion_tokens, answer.estimated) == (7, 2, False)
    assert not answer.reply.cut_off


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ([{"choices": []}, "he", "llo", finished()], "hello"),
        ([{"choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}]}, "hello", finished()], "hello"),
        ([{"choices": [{"index": 0, "delta": None}]}, "hello", finished()], "hello"),
        (["hello", {"choices": [{"index": 1, "delta": {"content": "other"}}]}, finished()], "hello"),
        ([[{"type": "thinking", "thinking": "hm"}], [{"type": "text", "text": "hello"}], finished()], "hello"),
        ([b'{"choices": [{"delta": {"content": "\\ud83d"}}]}', b'{"choices": [{"delta": {"content": "\\ude00"}}]}',
          finished()], "\U0001f600"),
        ([b'{"choices": [{"delta": {"content": "a\\ud83d"}}]}', finished()], "a\ufffd"),
        ([finished()], ""),
    ],
)  # fmt: skip
def test_what_is_read_from_a_stream(events, text):
    _, answer = complete(lambda body, n: Stream(*events, used()))
    assert answer.reply.text == text
    assert (answer.prompt_tokens, answer.completion_tokens, answer.estimated) == (7, 2, False)


def test_a_stream_that_only_ends_is_a_reply_if_the_server_said_that_it_is_finished():
    _, answer = complete(lambda body, n: Stream("hello", finished("length"), used(), end=""))
    assert answer.reply.text == "hello"
    assert answer.reply.cut_off


def test_the_last_usage_counts_where_every_piece_has_one():
    pieces = [
        {"choices": [{"index": 0, "delta": {"content": "x"}}], "usage": {"prompt_tokens": 9, "completion_tokens": i}}
        for i in range(1, 5)
    ]
    _, answer = complete(lambda body, n: Stream(*pieces, finished(), used(9, 5)))
    assert (answer.prompt_tokens, answer.completion_tokens) == (9, 5)


@pytest.mark.parametrize(
    "usage",
    [None, [], [1, 2], "many", 7, {}, {"prompt_tokens": -4, "completion_tokens": -1}, {"prompt_tokens": "7"},
     {"prompt_tokens": True, "completion_tokens": 2.5}, {"prompt_tokens": 10**30, "completion_tokens": 10**30}],
)  # fmt: skip
@pytest.mark.parametrize("streams", [True, False])
def test_usage_that_is_none_is_estimated_and_marked_so(usage, streams):
    _, answer = complete(lambda body, n: completion_with_usage(usage, "y" * 80), streams=streams)
    assert answer.completion_tokens == 20
    assert 0 < answer.prompt_tokens < 10
    assert answer.estimated


def test_a_reply_that_is_finished_is_kept_though_the_connection_breaks_before_its_usage():
    _, answer = complete(lambda body, n: Stream("hello", finished(), cut=True))
    assert answer.reply.text == "hello"
    assert answer.estimated


@pytest.mark.parametrize(
    ("stream", "kind", "said"),
    [
        (lambda: Stream("hel", cut=True), Kind.FAULT, "broke off in the middle of a reply"),
        (lambda: Stream("hel"), Kind.FAULT, "broke off in the middle of a reply"),
        (lambda: Stream("hel", end=""), Kind.FAULT, "broke off in the middle of a reply"),
        (lambda: Stream(), Kind.FAULT, "broke off"),
        (lambda: Stream("hel", {"error": {"message": "out of memory"}}), Kind.FAULT, "out of memory"),
        (lambda: Stream("hel", {"error": {"message": "slow down", "code": 429}}), Kind.RATE, "slow down"),
        (lambda: Stream({"error": {"message": "busy", "code": 503}}), Kind.OVERLOAD, "busy"),
        (lambda: Stream({"error": {"message": "x", "code": "insufficient_quota"}}), Kind.CLOSED, "x"),
        (lambda: Stream({"error": {"message": "x", "code": "content_filter"}}), Kind.PROMPT, "x"),
        (lambda: Stream(b"{not json"), Kind.FAULT, "cannot be understood"),
        (lambda: Stream(b"[" * 100_000), Kind.FAULT, "cannot be understood"),
        (lambda: Stream(b'{"choices": ' + b"[" * 900 + b"]" * 900 + b"}"), Kind.FAULT, "cannot be understood"),
        (lambda: Stream(b"[1]"), Kind.FAULT, "broke off"),
        (lambda: Stream([1]), Kind.FAULT, "cannot be understood"),
        (lambda: Stream({"choices": 3}, finished()), Kind.FAULT, "cannot be understood"),
        (lambda: Stream({"choices": [{"delta": {"content": 3}}]}, finished()), Kind.FAULT, "cannot be understood"),
        (lambda: web.Response(text="<html>Sign in</html>", content_type="text/html"), Kind.FAULT, "HTML"),
        (lambda: web.Response(text="[" * 100_000, content_type="application/json"), Kind.FAULT, "understood"),
        (lambda: web.Response(text="hello", content_type="text/plain"), Kind.FAULT, "broke off"),
    ],
)
def test_what_is_no_reply_is_a_failed_call(stream, kind, said):
    _, failed = complete(lambda body, n: stream())
    assert isinstance(failed, CallFailed)
    assert failed.kind == kind
    assert said in failed.message


def test_a_body_without_pieces_is_read_whole():
    """Many a server ignores `stream`."""
    _, answer = complete(lambda body, n: completion("all at once"), streams=False)
    assert answer.reply.text == "all at once"
    assert not answer.estimated


class HalfABody(Stream):
    """The beginning of an answer that comes whole, before the connection is lost."""

    def __init__(self, status=200):
        super().__init__()
        self.status = status

    async def send(self, request):
        headers = {"Content-Type": "application/json", "Content-Length": "500"}
        response = web.StreamResponse(status=self.status, headers=headers)
        await response.prepare(request)
        await response.write(b'{"choices": [')
        request.transport.close()
        return response


def no_gzip(status=200, content_type="application/json"):
    headers = {"Content-Encoding": "gzip"}
    return web.Response(body=b"no gzip", status=status, content_type=content_type, headers=headers)


@pytest.mark.parametrize(
    "answer",
    [
        HalfABody,
        lambda: HalfABody(500),
        no_gzip,
        lambda: no_gzip(500),
        lambda: no_gzip(content_type="text/event-stream"),
        lambda: failure(500, headers={"Retry-After": "Fri, 31 Dec 99999 23:59:59 GMT"}),
    ],
)
def test_whatever_befalls_an_answer_the_call_has_failed_and_may_be_made_again(answer):
    _, failed = complete(lambda body, n: answer())
    assert isinstance(failed, CallFailed)
    assert failed.kind in (Kind.FAULT, Kind.UNREACHABLE)
    assert failed.message


@pytest.mark.parametrize("param", [["messages"], {"name": "messages"}, 7, True])
def test_an_error_may_name_its_field_in_any_form(param):
    _, failed = complete(lambda body, n: failure(400, "no such thing", param=param))
    assert isinstance(failed, CallFailed)
    assert (failed.kind, "no such thing" in failed.message) == (Kind.REQUEST, True)


@pytest.mark.parametrize("number", ["9" * 5000, "4," * 3000, "²"])
def test_an_error_may_name_any_number_of_tokens(number):
    _, failed = complete(lambda body, n: failure(400, f"max_tokens must be at most {number}"))
    assert isinstance(failed, CallFailed)
    assert failed.kind == Kind.REQUEST


def test_who_stops_waiting_is_no_failed_call():
    async def main():
        async with StubEndpoint(lambda body, n: Stream("a", 5)) as server:
            client = Endpoint(EndpointConfig(base_url="offline", model="m"), server.url, open_database(":memory:"))
            call = asyncio.create_task(client.complete(question()))
            await asyncio.sleep(0.2)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await client.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("status", "message", "param", "left"),
    [
        (400, "streaming is not offered here", None, set()),
        (400, "Your organization must be verified to stream this model.", "stream", set()),
        (501, "stream=true is not implemented", None, set()),
        (422, "Extra inputs are not permitted: ['body', 'stream_options']", None, {"stream"}),
        (400, "Unknown parameter: 'stream_options.include_usage'", "stream_options.include_usage", {"stream"}),
    ],
)
def test_a_server_that_takes_no_stream_is_learned(status, message, param, left):
    def behaviour(body, n):
        refused = "stream_options" in body if left else "stream" in body
        return failure(status, message, param=param) if refused else completion()

    server, answer = complete(behaviour, times=3)
    assert answer.reply.text == "hello"
    assert len(server.bodies) == 4
    assert set(server.bodies[-1]) & {"stream", "stream_options"} == left


def test_what_the_config_says_of_streams_is_sent():
    server, answer = complete(lambda body, n: completion(), body={"stream": False})
    assert server.bodies[0]["stream"] is False
    assert "stream_options" not in server.bodies[0]
    assert answer.reply.text == "hello"


SLOW = ["a", 0.3, "b", 0.3, "c", 0.3, "d", 0.3, "e", finished(), used()]  # 1.2 s


def test_a_reply_that_takes_longer_than_the_timeout_is_waited_for():
    _, answer = complete(lambda body, n: Stream(*SLOW), timeout=1, first_token_timeout=10)
    assert answer.reply.text == "abcde"


def test_a_long_silence_before_the_first_piece_is_no_timeout():
    _, answer = complete(lambda body, n: Stream(ROLE, 0.5, "late", finished(), used()), timeout=0.2)
    assert answer.reply.text == "late"


@pytest.mark.parametrize(
    ("events", "first", "said"),
    [
        ([1, "never"], 0.3, "did not answer within 0.3 s"),
        ([ROLE, 1], 0.3, "did not answer within 0.3 s"),
        (["a", 1, "never"], 10, "fell silent for 0.2 s in the middle of a reply"),
    ],
)  # fmt: skip
def test_silence_is_what_runs_out(events, first, said):
    _, failed = complete(lambda body, n: Stream(*events), timeout=0.2, first_token_timeout=first)
    assert failed.kind == Kind.SILENCE
    assert said in failed.message


def test_silence_after_the_last_piece_costs_no_reply():
    _, answer = complete(lambda body, n: Stream("hello", finished(), 1), timeout=0.2)
    assert answer.reply.text == "hello"


def test_silence_in_virtual_time():
    async def speaks(silence, pauses):
        for pause in pauses:
            await asyncio.sleep(pause)
            silence.broken()
        return "done"

    async def main(pauses):
        silence = Silence(first=600, between=120)
        return await unless_silent(speaks(silence, pauses), silence), asyncio.get_running_loop().time()

    assert run_in_virtual_time(main([599] + [119] * 100)) == ("done", 599 + 119 * 100)
    for pauses in ([601], [5, 121]):
        with pytest.raises(Silent):
            run_in_virtual_time(main(pauses))


def test_who_asks_is_told_of_an_error_as_of_any(tmp_path):
    """Through the gateway: a reply that broke off is asked for again, and stored once."""
    from pada_ray.llm.chat import Payer
    from pada_ray.llm.gateway import LlmGateway

    async def main():
        async with StubEndpoint(lambda body, n: Stream("hel", cut=True) if n == 1 else completion()) as server:
            settings = EndpointConfig(base_url="offline", model="m", max_retries=1)
            gateway = LlmGateway(settings, str(tmp_path / "replies.sqlite"), server.url)
            reply = await gateway.chat(question(), Payer(run="runs/a"), "teacher")
            usage = await gateway.usage("runs/a")
            await gateway.close()
            return server, reply, usage

    server, reply, usage = asyncio.run(main())
    assert reply.text == "hello"
    assert len(server.bodies) == 2
    assert [u.calls for u in usage] == [1]
    assert json.dumps(server.bodies[0]) == json.dumps(server.bodies[1])

"""How many tokens a server is asked for at most, and what is learned from replies that were cut off."""

import asyncio

import pytest
from builders import chat_request
from stub_endpoint import StubEndpoint, completion

from pada_ray.config import EndpointConfig
from pada_ray.llm.chat import ChatReply
from pada_ray.llm.database import open_database
from pada_ray.llm.dialect import Dialect
from pada_ray.llm.endpoint import Endpoint

ENDPOINT = EndpointConfig(base_url="offline", model="m", max_tokens=1000)


def request(max_tokens=None):
    return chat_request(seed=1, max_tokens=max_tokens)


@pytest.mark.parametrize(("of_request", "sent"), [(None, 1000), (300, 300), (3000, 1000)])
def test_a_request_may_ask_for_fewer_tokens_than_the_endpoint_allows_but_not_for_more(of_request, sent):
    fields = Dialect(ENDPOINT, open_database(":memory:")).fields(request(of_request))
    assert fields["max_tokens"] == sent


@pytest.mark.parametrize(
    ("text", "cut_off", "sent"),
    [
        ("", True, 1000),
        ("<think>Let me see: {", True, 1000),
        ("Let me see, step by step:", True, 1000),
        ('{"pair-1": {"feed', True, 300),
        ('<think>Hm.</think>{"pair-1": ', True, 300),
        ("", False, 300),
    ],
)
def test_a_model_whose_thoughts_took_the_room_gets_all_there_is_and_this_is_remembered(tmp_path, text, cut_off, sent):
    db = open_database(str(tmp_path / "replies.sqlite"))
    Dialect(ENDPOINT, db).learn_length(request(300), ChatReply(text=text, cut_off=cut_off))
    assert Dialect(ENDPOINT, db).fields(request(300))["max_tokens"] == sent


@pytest.mark.parametrize("of_request", [None, 300, 3000])
@pytest.mark.parametrize("thinks", [False, True])
@pytest.mark.parametrize("other_name", [False, True])
@pytest.mark.parametrize(
    "body",
    [{}, {"max_tokens": 500}, {"max_tokens": 4000}, {"max_completion_tokens": 5000}, {"max_tokens": -1},
     {"max_tokens": None}, {"max_tokens": "many"}, {"max_tokens": 20, "max_completion_tokens": 5000}],
)  # fmt: skip
def test_the_most_that_a_reply_may_take_is_what_is_sent(of_request, thinks, other_name, body):
    learner = Dialect(ENDPOINT.model_copy(update={"body": body}), open_database(":memory:"))
    if other_name:
        learner.learn(learner.fields(request()), "use max_completion_tokens", None)
    if thinks:
        learner.learn_length(request(300), ChatReply(text="", cut_off=True))
    sent = [learner.fields(request(of_request)).get(name) for name in ("max_tokens", "max_completion_tokens")]
    limits = [limit for limit in sent if isinstance(limit, int) and limit > 0]
    assert learner.most_tokens(request(of_request)) == max(limits, default=ENDPOINT.max_tokens)


def test_what_runs_of_0_1_learned_is_read(tmp_path):
    db = open_database(str(tmp_path / "replies.sqlite"))
    Dialect(ENDPOINT, db)
    learned = '["max_completion_tokens", ["seed"], ["json_object"]]'
    db.execute("INSERT INTO dialects VALUES (?, ?)", (f"m at {ENDPOINT.base_url}", learned))
    fields = Dialect(ENDPOINT, db).fields(request(300))
    assert fields["max_completion_tokens"] == 300 and "seed" not in fields


def test_the_endpoint_learns_from_its_replies():
    async def ask():
        async with StubEndpoint(lambda body, n: completion("<think>so", finish_reason="length")) as server:
            endpoint = Endpoint(ENDPOINT, server.url, open_database(":memory:"))
            for _ in range(2):
                await endpoint.complete(request(300))
            await endpoint.close()
            return [body["max_tokens"] for body in server.bodies]

    assert asyncio.run(ask()) == [300, 1000]

import asyncio
import json
import time
import uuid

import pytest
from builders import chat_request as request
from stub_endpoint import StubEndpoint, completion

from pada_ray.config import EndpointConfig, Price
from pada_ray.errors import StorageError
from pada_ray.llm.chat import Payer
from pada_ray.llm.gateway import LlmGateway
from pada_ray.llm.reply_cache import request_key
from pada_ray.storage import Folder

ENDPOINT = EndpointConfig(base_url="http://127.0.0.1:9/v1", model="m", price=Price(prompt=1, completion=1))
MINE = Payer(run="memory://runs/mine")


@pytest.fixture
def server():
    """The endpoint, which all machines ask."""

    def reply(body, n):
        return completion(f"reply to {body['messages'][0]['content']}", prompt_tokens=10, completion_tokens=5)

    return StubEndpoint(reply)


@pytest.fixture
def copy():
    folder = Folder(f"memory://copies/{uuid.uuid4().hex}")
    yield folder
    folder.remove("")


def on_machine(place, copy, server, story):
    """Runs `story(gateway)` with a gateway whose own disk is the folder `place`."""

    async def run():
        async with server:
            gateway = LlmGateway(ENDPOINT, str(place / "replies.sqlite"), server.url, copy=copy.url)
            try:
                return await story(gateway)
            finally:
                await gateway.close()

    return asyncio.run(run())


def asking(*texts):
    async def story(gateway):
        return [r.text for r in await asyncio.gather(*(gateway.chat(request(t), MINE, "teacher") for t in texts))]

    return story


def test_a_file_that_was_cut_off_is_passed_over(tmp_path, copy, server):
    on_machine(tmp_path / "one", copy, server, asking("a"))
    copy.write_text("0123.jsonl.4567.tmp", '{"key": "half of')
    assert on_machine(tmp_path / "two", copy, server, asking("a")) == ["reply to a"]
    assert len(server.asked) == 1


def test_a_new_machine_has_every_reply_and_the_whole_account(tmp_path, copy, server):
    texts = [f"question {i}" for i in range(30)]
    first = on_machine(tmp_path / "one", copy, server, asking(*texts))
    assert len(server.asked) == 30
    assert len(copy.names()) < 30  # replies that come together go together

    async def spent(gateway):
        return [(u.role, u.purpose, u.calls, u.prompt_tokens, u.usd) for u in await gateway.usage(MINE.run)]

    account = on_machine(tmp_path / "two", copy, server, spent)
    assert account == [("teacher", "test", 30, 300, pytest.approx(450 / 1e6))]
    assert on_machine(tmp_path / "two", copy, server, asking(*texts)) == first
    assert len(server.asked) == 30
    assert on_machine(tmp_path / "two", copy, server, spent) == account


def test_a_line_of_an_older_run_is_read_and_new_lines_keep_its_keys(tmp_path, copy, server):
    on_machine(tmp_path / "one", copy, server, asking("a"))
    (file,) = copy.names()
    old = {
        "key": request_key(ENDPOINT, request("b")),
        "experiment": MINE.run,
        "role": "judge",
        "request": request("b").model_dump(),
        "reply": {"text": "an old reply", "cut_off": False},
        "prompt_tokens": 7,
        "completion_tokens": 2,
        "usd": 0.5,
    }
    assert list(json.loads(copy.read_text(file))) == [*old, "estimated"]
    copy.write_text("old.jsonl", json.dumps(old) + "\n")

    async def story(gateway):
        return await asking("b")(gateway), [(u.role, u.calls, u.usd) for u in await gateway.usage(MINE.run)]

    replies, usage = on_machine(tmp_path / "two", copy, server, story)
    assert replies == ["an old reply"]
    assert ("judge", 1, 0.5) in usage
    assert server.asked == ["a"]


def test_nobody_sees_a_reply_before_the_copy_has_it(tmp_path, copy, server):
    async def story(gateway):
        reply = await gateway.chat(request("hi"), MINE, "teacher")
        return reply.text, "".join(copy.read_text(name) for name in copy.names())

    text, copied = on_machine(tmp_path, copy, server, story)
    assert text in copied


def test_nobody_who_asks_while_the_copy_is_written_sees_a_reply_sooner(tmp_path, copy, server, monkeypatch):
    plain = Folder.write_records

    def slow(self, path, records):
        time.sleep(0.5)
        plain(self, path, records)

    monkeypatch.setattr(Folder, "write_records", slow)

    async def story(gateway):
        async def ask():
            reply = await gateway.chat(request("hi"), MINE, "teacher")
            return reply.text, "".join(copy.read_text(name) for name in copy.names())

        first = asyncio.create_task(ask())
        await asyncio.sleep(0.2)  # by when the reply has come
        return await asyncio.gather(first, *(ask() for _ in range(3)))

    for text, copied in on_machine(tmp_path, copy, server, story):
        assert text in copied
    assert server.asked == ["hi"]


@pytest.mark.parametrize("with_copy", [True, False])  # when it is paid for; at the start of a run it is not
def test_a_new_machine_knows_what_a_probe_took(tmp_path, copy, server, with_copy):
    async def pay():
        async with server:
            cache = str(tmp_path / "one" / "replies.sqlite")
            gateway = LlmGateway(ENDPOINT, cache, server.url, copy=copy.url if with_copy else None)
            await gateway.probe(MINE.run, "teacher")
            await gateway.probe(MINE.run, "teacher")
            await gateway.close()

    async def spent(gateway):
        return [(u.role, u.purpose, u.calls, u.prompt_tokens) for u in await gateway.usage(MINE.run)]

    asyncio.run(pay())
    if not with_copy:
        on_machine(tmp_path / "one", copy, server, spent)
    assert on_machine(tmp_path / "two", copy, server, spent) == [("teacher", "probe", 2, 20)]


def test_what_the_store_did_not_take_goes_there_next_time(tmp_path, copy, server, monkeypatch):
    def full(self, path, records):
        raise StorageError("memory://full: no space left")

    with monkeypatch.context() as broken:
        broken.setattr(Folder, "write_records", full)
        with pytest.raises(StorageError, match="no space left"):
            on_machine(tmp_path / "one", copy, server, asking("hi"))
    assert copy.names() == []
    assert on_machine(tmp_path / "one", copy, server, asking("hi")) == ["reply to hi"]
    assert on_machine(tmp_path / "two", copy, server, asking("hi")) == ["reply to hi"]
    assert server.asked == ["hi"]


def test_a_gateway_that_comes_back_reads_nothing_twice(tmp_path, copy, server, monkeypatch):
    on_machine(tmp_path / "one", copy, server, asking("a", "b"))
    on_machine(tmp_path / "two", copy, server, asking("c"))
    read = []
    plain = Folder.read_records
    monkeypatch.setattr(Folder, "read_records", lambda self, path, kind: read.append(path) or plain(self, path, kind))
    on_machine(tmp_path / "two", copy, server, asking("a", "b", "c"))
    assert read == []
    on_machine(tmp_path / "one", copy, server, asking("a", "b", "c"))
    assert len(read) == 1
    assert sorted(server.asked) == ["a", "b", "c"]

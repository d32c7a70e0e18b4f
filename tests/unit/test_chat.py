"""A run's model in a conversation and behind OpenAI's API, asked by OpenAI's own client."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import openai
import pytest
from aiohttp.test_utils import TestClient, TestServer
from report_runs import write_run
from typer.testing import CliRunner

from jobs.chat import converse
from jobs.cli import app
from pada_ray.config import StudentConfig
from pada_ray.errors import ConfigError
from pada_ray.records import Message, Sample
from pada_ray.runs import run_files
from pada_ray.storage import Folder
from pada_ray.student import chat_server
from pada_ray.student.chat_server import ChatServer
from pada_ray.student.model import Reply, Student
from pada_ray.student.streaming import stream_reply
from pada_ray.tasks import Knowledge
from pada_ray.tasks.math import Math

QUESTION = "Ann has 3 apples and gets 4 more. How many now?"
ASKED = [{"role": "user", "content": QUESTION}]


@pytest.fixture(scope="module")
def student():
    return Student(StudentConfig(model="demo", dtype="float32", max_length=256))


def replies_of(student, stop=()):
    (reply,) = student.replies([[Message(role="user", content=QUESTION)]], 24, 1, stop)
    return reply


@pytest.mark.parametrize("stop", [(), (" ",), ("zzz",)])
def test_what_is_told_in_pieces_is_the_reply(student, stop):
    pieces = []
    told = stream_reply(student, [Message(role="user", content=QUESTION)], 24, pieces.append, stop)
    assert told == replies_of(student, stop)
    assert "".join(pieces) == told.text
    assert stop == (" ",) or len(pieces) > 3


def test_a_piece_never_holds_the_beginning_of_what_ends_the_reply(student):
    whole = replies_of(student).text
    stop = whole[4:9]
    pieces = []
    told = stream_reply(student, [Message(role="user", content=QUESTION)], 24, pieces.append, (stop,))
    assert whole.startswith(told.text)
    assert "".join(pieces) == told.text
    assert stop not in told.text


def test_a_prompt_without_room_gets_an_empty_reply(student):
    said = stream_reply(student, [Message(role="user", content="many words " * 300)], 24, pytest.fail)
    assert said == ("", True)


def ask(student, story):
    """What `story(client)` gives, with OpenAI's client of a server with the student."""
    return ask_of(ChatServer(student, "mine", 24).app(), story)


def ask_of(app, story):
    async def run():
        async with (
            TestServer(app) as server,
            openai.AsyncOpenAI(base_url=str(server.make_url("/v1")), api_key="none", max_retries=0) as client,
        ):
            return await story(client)

    return asyncio.run(run())


def test_a_completion_is_the_students_reply(student):
    async def story(client):
        return await client.chat.completions.create(model="mine", messages=ASKED), await client.models.list()

    said, models = ask(student, story)
    expected = replies_of(student)
    assert said.choices[0].message.content == expected.text
    assert said.choices[0].finish_reason == ("length" if expected.truncated else "stop")
    assert said.usage.total_tokens == said.usage.prompt_tokens + said.usage.completion_tokens > 24
    assert [model.id for model in models.data] == ["mine"]


def test_a_streamed_completion_is_the_same(student):
    async def story(client):
        stream = await client.chat.completions.create(model="mine", messages=ASKED, stream=True)
        return [chunk async for chunk in stream]

    chunks = ask(student, story)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == replies_of(student).text
    assert len(chunks) > 4
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")


def test_limits_parts_and_other_roles(student):
    async def story(client):
        parts = [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": QUESTION}]},
        ]
        return await asyncio.gather(
            client.chat.completions.create(model="mine", messages=ASKED, max_tokens=2),
            client.chat.completions.create(model="mine", messages=parts),
        )

    short, parts = ask(student, story)
    assert (short.usage.completion_tokens <= 2, short.choices[0].finish_reason) == (True, "length")
    expected = [Message(role="system", content="Be brief."), Message(role="user", content=QUESTION)]
    assert parts.choices[0].message.content == student.replies([expected], 24, 1)[0].text


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"messages": []}, "messages: "),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]}, "messages.0.role: "),
        ({"messages": ASKED, "n": 2}, "n: "),
        ({"messages": ASKED, "tools": [{"type": "function", "function": {"name": "f"}}]}, "tools is not supported"),
    ],
)
def test_what_it_cannot_do_is_refused(student, asked, said):
    async def story(client):
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(model="mine", **asked)
        return refused.value.body["message"]

    assert ask(student, story).startswith(said)


class Alternating:
    """An encoder whose template refuses two messages of one role in a row."""

    def prompt(self, messages):
        if len({message.role for message in messages}) < len(messages):
            raise ConfigError("student.model: its chat template refuses the conversation (roles must alternate)")
        return [1, 2]

    def tokenizer(self, text, **_):
        return {"input_ids": text.split()}


STUB = SimpleNamespace(encoder=Alternating(), settings=SimpleNamespace(max_length=100))
CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"json": {"messages": ASKED * 2}}, "refuses the conversation"),
        ({"json": {"messages": ASKED * 2, "stream": True}}, "refuses the conversation"),
        ({"data": b"\xff\xfe{"}, "the body is not text in utf-8"),
        ({"data": b"{}", "headers": {"Content-Type": "application/json; charset=nope"}}, "not text in nope"),
        ({"data": b"{"}, "the body is not JSON"),
    ],
)
def test_what_is_wrong_with_a_request_is_told_as_openai_does(sent, said):
    async def run():
        async with TestClient(TestServer(ChatServer(STUB, "mine", 24).app())) as client:
            reply = await client.post(CHAT, **sent)
            return reply.status, (await reply.json())["error"]

    status, error = asyncio.run(run())
    assert (status, error["type"]) == (400, "invalid_request_error")
    assert said in error["message"]


@pytest.mark.parametrize("stream", [True, False])
def test_who_hangs_up_keeps_nobody_waiting(monkeypatch, stream):
    pieces = []

    def slow(student, messages, most, say, stop, choices):
        for _ in range(3000 if messages[0].content == QUESTION else 1):
            pieces.append("so ")
            say(pieces[-1])
            time.sleep(0.01)
        return Reply("so", False)

    async def run():
        async with TestClient(TestServer(ChatServer(STUB, "mine", 24).app())) as client:
            asking = asyncio.create_task(client.post(CHAT, json={"messages": ASKED, "stream": stream}))
            while len(pieces) < 5:
                await asyncio.sleep(0.01)
            if stream:
                (await asking).close()
            else:
                asking.cancel()
            said = await client.post(CHAT, json={"messages": [{"role": "user", "content": "short"}]})
            return await said.json()

    monkeypatch.setattr(chat_server, "stream_reply", slow)
    assert asyncio.run(run())["choices"][0]["message"]["content"] == "so"
    assert len(pieces) < 3000


def test_a_conversation_goes_on_until_it_is_reset():
    heard = []

    def answer(messages):
        heard.append([message.content for message in messages])
        return f"reply {len(heard)}"

    converse(iter(["a", "", "b", "/reset", "c"]), answer, keeps=True)
    assert heard == [["a"], ["a", "reply 1", "b"], ["c"]]
    heard.clear()
    converse(iter(["a", "b"]), answer, keeps=False)
    assert heard == [["a"], ["b"]]


def test_questions_may_be_piped_one_a_line(tmp_path, student):
    folder = Folder(str(tmp_path / "a"))
    settings = {"model": "demo", "dtype": "float32", "max_length": 256}
    write_run(folder, student=settings, evaluation={"max_new_tokens": 24})
    said = CliRunner().invoke(app, ["chat", folder.url, "--model", "base"], input=f"{QUESTION}\n\n{QUESTION}\n")
    assert said.exit_code == 0, said.output
    assert said.stdout == f"{replies_of(student).text}\n" * 2


class Terse(Math):
    """Its own limit cuts every reply; the run has learned a longer one."""

    name, max_new_tokens = "terse", 2


class Stopped(Math):
    name, stop = "stopped", (" ",)


@pytest.mark.parametrize("task", [Terse, Stopped])
def test_a_reply_ends_where_it_ends_in_the_run(tmp_path, student, monkeypatch, task):
    folder, named = Folder(str(tmp_path / "a")), f"{__name__}:{task.__name__}"
    settings = {"model": "demo", "dtype": "float32", "max_length": 256}
    write_run(folder, student=settings, data={"train": "a", "val": "b", "task": named})
    for split in ("train", "val", "test"):
        samples = folder.read_records(run_files.split(split), Sample)
        folder.write_records(run_files.split(split), [s.model_copy(update={"task": named}) for s in samples])
    folder.write_text(run_files.KNOWLEDGE, Knowledge(reply_limit=24).model_dump_json())
    expected = replies_of(student, task.stop).text
    said = CliRunner().invoke(app, ["chat", folder.url, "--model", "base"], input=f"{QUESTION}\n")
    assert said.stdout == f"{expected}\n", said.output

    async def story(client):
        return await client.chat.completions.create(model="mine", messages=ASKED)

    served = []
    monkeypatch.setattr("aiohttp.web.run_app", lambda app, **_: served.append(app))
    assert CliRunner().invoke(app, ["serve", folder.url, "--model", "base"]).exit_code == 0
    assert ask_of(served[0], story).choices[0].message.content == expected


@pytest.mark.parametrize("constrained", [False, True])
def test_a_model_says_labels_alone_where_its_run_does(tmp_path, monkeypatch, constrained):
    folder, labels = Folder(str(tmp_path / "a")), ["card_arrival", "card_linking"]
    settings = {"student": {"model": "demo", "dtype": "float32", "max_length": 256}}
    settings |= {"evaluation": {"constrained_decoding": constrained}}
    write_run(folder, data={"train": "a", "val": "b", "task": "label", "labels": labels}, **settings)
    for split in ("train", "val", "test"):
        samples = folder.read_records(run_files.split(split), Sample)
        labelled = [s.model_copy(update={"task": "label", "answer": labels[0]}) for s in samples]
        folder.write_records(run_files.split(split), labelled)
    folder.write_text(run_files.KNOWLEDGE, Knowledge(labels=labels).model_dump_json())
    said = CliRunner().invoke(app, ["chat", folder.url, "--model", "base"], input=f"{QUESTION}\n")
    assert (said.stdout.strip() in labels) == constrained, said.output

    async def story(client):
        return await client.chat.completions.create(model="mine", messages=ASKED)

    served = []
    monkeypatch.setattr("aiohttp.web.run_app", lambda app, **_: served.append(app))
    assert CliRunner().invoke(app, ["serve", folder.url, "--model", "base"]).exit_code == 0
    assert ask_of(served[0], story).choices[0].message.content == said.stdout.rstrip("\n")


def test_a_model_that_is_not_there(tmp_path):
    for command in ("chat", "serve"):
        said = CliRunner().invoke(app, [command, str(tmp_path / "gone")])
        assert (said.exit_code, "no run" in said.stderr) == (2, True)

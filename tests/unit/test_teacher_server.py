"""The server as a subprocess, through the openai client and plain HTTP."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import openai
import pytest

from pada_ray.errors import EndpointError
from pada_ray.prompts import Prompts
from pada_ray.teacher import TeacherSettings, start_teacher
from pada_ray.teacher.access_log import read_access_log

PROMPT = Prompts().render(
    "error_analysis",
    failures=[{"sample_idx": i, "question": "Q", "response": "R", "ground_truth": "T"} for i in range(3)],
)


def client_of(teacher, **options) -> openai.OpenAI:
    return openai.OpenAI(base_url=teacher.url, api_key="none", **{"max_retries": 0, **options})


def ask(client: openai.OpenAI, text: str = "ping", **fields):
    return client.chat.completions.create(**{"model": "m", "messages": [{"role": "user", "content": text}], **fields})


def await_log(path, count: int):
    """The log's entries once there are `count`: a line is written just after its reply is sent."""
    deadline = time.monotonic() + 5
    while len(read_access_log(path)) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    return read_access_log(path)


def post(url: str, body: bytes) -> tuple[int, dict]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body)) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as e:
        return e.code, json.load(e)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("teacher") / "log" / "access.jsonl"


@pytest.fixture(scope="module")
def teacher(log):
    with start_teacher(TeacherSettings(access_log=str(log))) as running:
        yield running


@pytest.fixture(scope="module")
def client(teacher):
    return client_of(teacher)


def test_completion_with_usage(client):
    fields = {"response_format": {"type": "json_object"}, "temperature": 0.7, "seed": 3}
    completion = ask(client, PROMPT, **fields)
    (choice,) = completion.choices
    assert (completion.object, completion.model, choice.finish_reason) == ("chat.completion", "m", "stop")
    assert len(json.loads(choice.message.content)) == 3
    usage = completion.usage
    assert usage.prompt_tokens == -(-len(PROMPT) // 4)
    assert usage.completion_tokens == -(-len(choice.message.content) // 4)
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert ask(client, PROMPT, **fields).choices[0].message.content == choice.message.content


def test_json_schema_and_parts_are_understood(client):
    schema = {"type": "json_schema", "json_schema": {"name": "reply", "schema": {"type": "object"}}}
    parts = [{"role": "user", "content": [{"type": "text", "text": PROMPT}]}]
    reply = ask(client, messages=parts, response_format=schema).choices[0].message.content
    assert reply == ask(client, PROMPT).choices[0].message.content


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_token_limit_cuts_the_reply(client, name):
    whole = ask(client, PROMPT).choices[0].message.content
    completion = ask(client, PROMPT, **{name: 5})
    (choice,) = completion.choices
    assert (choice.finish_reason, choice.message.content) == ("length", whole[:20])
    assert completion.usage.completion_tokens == 5


def test_models_and_health(client, teacher):
    assert [model.id for model in client.models.list()] == ["offline-teacher"]
    with urllib.request.urlopen(teacher.url.removesuffix("/v1") + "/health") as response:
        assert json.load(response) == {"status": "ok"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"n": 2}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"seed": "x"}, "seed"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.name"),
        ({"model": ""}, "model"),
    ],
)
def test_bad_requests_get_an_error_body(client, fields, param):
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, **fields)
    error = caught.value.body
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert error["message"]


def test_errors_below_the_client(teacher):
    url = f"{teacher.url}/chat/completions"
    for body in (b"{", b"[]", b"\xff"):
        status, reply = post(url, body)
        assert status == 400 and reply["error"]["type"] == "invalid_request_error"
    assert post(f"{teacher.url}/embeddings", b"{}")[0] == 404
    status, reply = post(f"{teacher.url}/models", b"{}")
    assert status == 405 and "message" in reply["error"]


def test_the_log_counts_repeated_calls(client, log):
    before = len(read_access_log(log))
    for text in ("log one", "log two", "log one"):
        ask(client, text)
    entries = await_log(log, before + 3)[before:]
    assert entries[0].content == entries[2].content != entries[1].content
    assert [entry.attempt for entry in entries] == [1, 1, 2]
    assert all(entry.sent and entry.status == 200 and entry.prompt is None for entry in entries)
    ask(client, PROMPT)
    last = await_log(log, before + 4)[-1]
    assert last.prompt == "error_analysis" and last.completion_tokens > 0


def test_faults_of_the_endpoint_and_recovery(tmp_path):
    path = tmp_path / "access.jsonl"
    settings = TeacherSettings(
        faults={"rate_limit": 0.4, "server_error": 0.3}, retry_after_seconds=7, access_log=str(path)
    )
    with start_teacher(settings) as teacher:
        client = client_of(teacher)
        seen = {}
        for i in range(30):
            try:
                ask(client, f"ping {i}")
            except openai.APIStatusError as e:
                seen[e.status_code] = e
        assert set(seen) == {429, 500}
        assert isinstance(seen[429], openai.RateLimitError)
        assert seen[429].response.headers["retry-after"] == "7"
        assert seen[429].body["type"] == "rate_limit_error" and seen[500].body["type"] == "server_error"
        for _ in range(40):  # the same request goes through in the end
            try:
                assert ask(client, "ping 0")
                break
            except openai.APIStatusError:
                continue
        else:
            pytest.fail("every attempt of one request met a fault")
    entries = read_access_log(path)
    assert {entry.fault for entry in entries} == {"rate_limit", "server_error", None}
    assert all((entry.fault is None) == (entry.status == 200) for entry in entries)


def test_a_client_that_has_gone_is_noted(tmp_path):
    path = tmp_path / "access.jsonl"
    with start_teacher(TeacherSettings(faults={"hang": 1}, hang_seconds=0.4, access_log=str(path))) as teacher:
        with pytest.raises(openai.APITimeoutError):
            ask(client_of(teacher, timeout=0.1))
        (entry,) = await_log(path, 1)
    assert (entry.fault, entry.sent) == ("hang", False) and entry.seconds >= 0.4


@pytest.mark.parametrize("fields", [{}, {"max_tokens": 1}])
def test_a_stream_is_the_same_reply_in_pieces(teacher, fields):
    client = client_of(teacher)
    whole = ask(client, PROMPT, seed=3, **fields)
    chunks = list(ask(client, PROMPT, seed=3, stream=True, stream_options={"include_usage": True}, **fields))
    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(choice.delta.content or "" for choice in choices) == whole.choices[0].message.content
    assert [c.finish_reason for c in choices if c.finish_reason] == [whole.choices[0].finish_reason]
    assert [chunk.usage for chunk in chunks if chunk.usage] == [whole.usage]
    assert all(chunk.usage is None for chunk in ask(client, PROMPT, seed=3, stream=True, **fields))


def test_latency_does_not_queue_requests():
    with start_teacher(TeacherSettings(latency_ms=300)) as teacher:

        async def many():
            async with openai.AsyncOpenAI(base_url=teacher.url, api_key="none", max_retries=0) as client:
                calls = [
                    client.chat.completions.create(model="m", messages=[{"role": "user", "content": str(i)}])
                    for i in range(8)
                ]
                return await asyncio.gather(*calls)

        began = time.monotonic()
        asyncio.run(many())
        assert 0.3 <= time.monotonic() - began < 8 * 0.3


def test_the_teacher_ends_with_its_parent():
    script = (
        "import time; from pada_ray.teacher import start_teacher\n"
        "teacher = start_teacher(); print(teacher.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        pid = int(parent.stdout.readline())
        assert alive(pid)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        parent.stdout.close()
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(pid)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = f"/proc/{pid}/stat"  # an ended orphan that nobody has waited for still has a number
    if os.path.exists(stat):
        with open(stat) as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    return True


def test_a_taken_port_is_an_error_in_one_line(teacher, capfd):
    port = int(teacher.url.split(":")[2].removesuffix("/v1"))
    with pytest.raises(EndpointError, match=r"exited with code \d+ at its start"):
        start_teacher(port=port)
    assert f"cannot listen on 127.0.0.1:{port}" in capfd.readouterr().err

from email.utils import formatdate

import httpx2
import openai
import pytest

from pada_ray.config import EndpointConfig
from pada_ray.llm.failures import Kind, explain, retry_after
from pada_ray.llm.silence import Silent

ENDPOINT = EndpointConfig(base_url="https://example.org/v1", model="m", api_key_env="MY_KEY", timeout=7)


def explained(e):
    return explain(e, ENDPOINT, "sk-secret")


def answered(code, **body):
    """The client's error for a response, made as it makes it."""
    response = httpx2.Response(code, request=httpx2.Request("POST", ENDPOINT.base_url), **body)
    return openai.OpenAI(api_key="none")._make_status_error_from_response(response)


def status(code, headers=None, /, **body):
    request = httpx2.Request("POST", ENDPOINT.base_url)
    response = httpx2.Response(code, headers=headers, request=request)
    client = openai.OpenAI(api_key="none")
    return client._make_status_error(f"Error code: {code} - {body}", body=body, response=response)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, Kind.REQUEST),
        (401, Kind.CLOSED),
        (402, Kind.CLOSED),
        (403, Kind.CLOSED),
        (404, Kind.CLOSED),
        (408, Kind.FAULT),
        (413, Kind.REQUEST),
        (429, Kind.RATE),
        (500, Kind.FAULT),
        (502, Kind.UNREACHABLE),
        (504, Kind.FAULT),
        (521, Kind.UNREACHABLE),
        (307, Kind.CLOSED),
        (503, Kind.OVERLOAD),
        (529, Kind.OVERLOAD),
    ],
)
def test_kinds(code, kind):
    assert explained(status(code)).kind == kind


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (400, {"code": "content_filter", "message": "The response was filtered."}),
        (400, {"code": "context_length_exceeded", "message": "Please reduce the length of the messages."}),
        (400, {"message": "This model's maximum context length is 2048 tokens. However, you requested 9000."}),
        (400, {"message": "prompt is too long: 208310 tokens > 200000 maximum"}),
        (400, {"type": "exceed_context_size_error", "message": "the request exceeds the available context size"}),
        (400, {"code": "data_inspection_failed", "message": "Input data may hold what it should not."}),
        (403, {"message": "Your input was flagged"}),
        (413, {"message": "Request too large for model m"}),
    ],
)
def test_what_is_about_the_prompt(code, said):
    failure = explained(answered(code, json={"error": said}))
    assert failure.kind == Kind.PROMPT
    assert said["message"] in failure.message


@pytest.mark.parametrize("said", ["Unknown field `sed`", "temperature must be at most 1", "no such organisation"])
def test_what_is_about_the_form_of_a_request_is_not(said):
    assert explained(answered(400, json={"error": {"message": said}})).kind == Kind.REQUEST


def test_a_quota_that_is_used_up_is_no_rate():
    assert explained(status(429, code="insufficient_quota")).kind == Kind.CLOSED


def test_a_wait_of_hours_is_told_and_not_waited_for():
    failure = explained(status(429, {"Retry-After": "7200"}))
    assert failure.kind == Kind.CLOSED
    assert "7,200 s" in failure.message


def test_a_timeout_says_how_long_it_was():
    failure = explained(Silent("did not answer within 7 s"))
    assert failure.kind == Kind.SILENCE
    assert "within 7 s" in failure.message


@pytest.mark.parametrize("code", [400, 401, 500])
def test_the_key_is_never_shown(code):
    assert "secret" not in explained(status(code, message="bad key sk-secret")).message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after-ms": "300", "retry-after": "9"}, 0.3),
        ({"retry-after": formatdate(1_000_020, usegmt=True)}, 20),
        ({"retry-after": formatdate(999_000, usegmt=True)}, 0),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Fri, 31 Dec 99999 23:59:59 GMT"}, None),
    ],
)
def test_retry_after(headers, seconds):
    assert retry_after(headers, now=1_000_000) == seconds


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"json": {"error": {"message": "no such model", "code": "x"}}}, "no such model"),
        ({"json": {"object": "error", "message": "no such model"}}, "no such model"),
        ({"json": {"error": "no such model"}}, "no such model"),
        ({"json": {"detail": "no such model"}}, "no such model"),
        ({"text": "no such\nmodel"}, "no such model"),
        (
            {"json": {"detail": [{"loc": ["body", "seed"], "msg": "not permitted", "input": {"temperature": 0}}]}},
            "['body', 'seed']: not permitted",
        ),
        ({"json": {"oops": 1}}, "{'oops': 1}"),
    ],
)
def test_what_a_server_says_is_told_wherever_it_says_it(body, said):
    assert explained(answered(400, **body)).message == f"says: Error code: 400 - {said}"


def test_a_server_that_says_nothing():
    assert explained(answered(400, text="")).message == "says: Error code: 400"

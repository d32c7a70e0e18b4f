import pytest
from builders import chat_request

from pada_ray.config import EndpointConfig
from pada_ray.llm.database import open_database
from pada_ray.llm.dialect import Dialect

SCHEMA = {"type": "object", "properties": {"wanted": {"type": "string"}}}


EVERYTHING = {
    *("model", "messages", "temperature", "max_tokens", "seed", "response_format", "stream", "stream_options")
}


def request():
    return chat_request(reply_schema=SCHEMA, seed=1)


def dialect(db=None, model="m", **body):
    endpoint = EndpointConfig(base_url="offline", model=model, body=body)
    return Dialect(endpoint, db or open_database(":memory:"))


def taught(message, param=None):
    """The fields that are sent after one error."""
    learner = dialect()
    assert learner.learn(learner.fields(request()), message, param)
    return learner.fields(request())


def test_everything_is_asked_for_at_first():
    fields = dialect().fields(request())
    assert set(fields) == EVERYTHING
    assert fields["response_format"]["json_schema"]["schema"] == SCHEMA


@pytest.mark.parametrize(
    ("message", "param", "field"),
    [
        ("Unrecognized request argument supplied: seed", None, "seed"),
        ("Unsupported value: it does not support 0 with this model.", "temperature", "temperature"),
        (
            "Error code: 400 - {'error': {'message': '`temperature` is deprecated for this model.'}}",
            None,
            "temperature",
        ),
        ("Malformed input request: extraneous key [seed] is not permitted", None, "seed"),
        ("422 - {'detail': [{'loc': ['body', 'seed'], 'msg': 'Extra inputs are not permitted'}]}", None, "seed"),
    ],
)
def test_a_refused_field_is_left_out(message, param, field):
    fields = taught(message, param)
    assert field not in fields
    assert len(fields) == len(EVERYTHING) - 1


def test_the_other_name_of_the_token_limit():
    message = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
    fields = taught(message, "max_tokens")
    assert "max_tokens" not in fields
    assert fields["max_completion_tokens"] == 8192


def test_a_refused_schema_is_put_into_words_and_json_still_asked_for():
    fields = taught("This response_format type is unavailable now")
    assert fields["response_format"] == {"type": "json_object"}
    assert '"wanted"' in fields["messages"][-1]["content"]


def test_in_words_alone_where_no_response_format_is_taken():
    learner = dialect()
    for _ in range(2):
        assert learner.learn(learner.fields(request()), "unknown field", "response_format.type")
    fields = learner.fields(request())
    assert "response_format" not in fields
    assert '"wanted"' in fields["messages"][-1]["content"]


@pytest.mark.parametrize(
    "message",
    [
        "Failed to initialize samplers: failed to parse grammar",
        "Invalid grammar: unexpected end of input",
        "This model does not support structured output.",
        "Structured outputs are not available for this model",
        "Guided decoding is not supported",
        "guided_json is disabled on this server",
        "JSON mode is not supported for this model",
        "json_object is not enabled for this model",
        "Constrained decoding is off",
        "Invalid JSON Schema: $ref is not allowed",
        "'response_format.type' must be 'json_schema' or 'text'",
    ],
)
def test_whatever_a_server_calls_it(message):
    learner = dialect()
    kinds = []
    for _ in range(3):
        fields = learner.fields(request())
        kinds.append(fields.get("response_format", {}).get("type"))
        learner.learn(fields, message, None)
    assert kinds == ["json_schema", "json_object", None]
    assert '"wanted"' in learner.fields(request())["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("message", "most"),
    [
        ("max_tokens must be <= 4096", 4096),
        ("Error code: 400 - max_tokens is too large: 8192. This model supports at most 4,096 completion tokens", 4096),
        (
            "max_tokens: 8192 > 4096, which is the maximum allowed number of output tokens of m-3-5-20240620",
            4096,
        ),
        ("Invalid max_tokens value, the valid range of max_tokens is [1, 4096]", 4096),
        ("`max_tokens` must be less than or equal to `4096`; it is less than the `context_window`", 4096),
    ],
)
def test_the_most_tokens_that_a_server_takes_are_learned(message, most):
    assert taught(message)["max_tokens"] == most


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens must be a number",
        "max_tokens must be at most 16384",  # it is
        "'max_tokens' or 'max_completion_tokens' is too large: 8192. This model's maximum context length is "
        "4096 tokens and your request has 1000 input tokens",
        "maximum context length is 4096 tokens; you requested 9000 (808 in the messages, 8192 as max_tokens)",
    ],
)
def test_a_limit_that_is_not_of_the_reply_alone_teaches_nothing(message):
    learner = dialect()
    assert not learner.learn(learner.fields(request()), message, None)
    assert learner.fields(request())["max_tokens"] == 8192


def test_what_an_older_run_learned_is_known(tmp_path):
    db = open_database(str(tmp_path / "replies.sqlite"))
    dialect(db)
    known = '["max_completion_tokens", ["seed"], ["json_object"]]'
    db.execute("INSERT INTO dialects VALUES ('m at offline', ?)", (known,))
    fields = dialect(db).fields(request())
    assert set(fields) == EVERYTHING - {"max_tokens", "seed"} | {"max_completion_tokens"}
    assert fields["max_completion_tokens"] == 8192


def test_refusals_of_calls_made_together_teach_once():
    learner = dialect()
    sent = [learner.fields(request()) for _ in range(3)]
    assert all(learner.learn(fields, "json_schema is not supported", None) for fields in sent)
    assert learner.fields(request())["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize(
    ("message", "param"),
    [("the prompt is too long", None), ("context length exceeded", None), ("temperature and the like", "model")],
)
def test_other_errors_teach_nothing(message, param):
    learner = dialect()
    assert not learner.learn(learner.fields(request()), message, param)
    assert set(learner.fields(request())) == EVERYTHING


def test_what_the_user_put_into_the_body_stays():
    learner = dialect(temperature=1, top_p=0.9)
    fields = learner.fields(request())
    assert fields["temperature"] == 1
    assert fields["top_p"] == 0.9
    assert not learner.learn(fields, "temperature is not supported", "temperature")


def test_what_was_learned_outlives_the_gateway(tmp_path):
    db = open_database(str(tmp_path / "replies.sqlite"))
    learner = dialect(db)
    for message in (
        *("use max_completion_tokens instead", "seed is unknown", "json_schema is not supported"),
        "max_completion_tokens must be <= 4096",
    ):
        assert learner.learn(learner.fields(request()), message, None)
    db.close()
    again = open_database(str(tmp_path / "replies.sqlite"))
    assert dialect(again).fields(request()) == learner.fields(request())
    assert set(dialect(again, model="other").fields(request())) == set(dialect().fields(request()))

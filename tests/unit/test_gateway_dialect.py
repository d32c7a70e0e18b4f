import pytest

from pada_ray.config import EndpointConfig
from pada_ray.llm.chat import ChatRequest
from pada_ray.llm.database import open_database
from pada_ray.llm.dialect import Dialect
from pada_ray.records import Message

SCHEMA = {"type": "object", "properties": {"wanted": {"type": "string"}}}


EVERYTHING = {
    *("model", "messages", "temperature", "max_tokens", "seed", "response_format", "stream", "stream_options")
}


def request():
    messages = [Message(role="user", content="hi")]
    return ChatRequest(messages=messages, reply_schema=SCHEMA, temperature=0, seed=1, purpose="test")


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
    for message in ("use max_completion_tokens instead", "seed is unknown", "json_schema is not supported"):
        assert learner.learn(learner.fields(request()), message, None)
    db.close()
    again = open_database(str(tmp_path / "replies.sqlite"))
    assert dialect(again).fields(request()) == learner.fields(request())
    assert set(dialect(again, model="other").fields(request())) == set(dialect().fields(request()))

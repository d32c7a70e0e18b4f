"""Conversations as the student sees them: what is learned is what it would say, whatever tokenizer and template."""

from __future__ import annotations

import pytest
from tokenizers_for_tests import BARE, CHATML, IN_TURNS, LEADS, NO_SYSTEM, TRIMS, byte_level, sentence_piece

from pada_ray.errors import ConfigError
from pada_ray.records import Message, Sample
from pada_ray.student.chat_encoder import IGNORED, encode_all

QUESTION = Message(role="user", content="Write the body.")
REPLIES = [
    "one two three",
    "    return numbers",
    "\n    return numbers",
    "\n\n- a list\n- of two",
    "\none two three",
    "- a list\n- of two",
    "    x = 1\n    return x",
    "\treturn numbers",
]


def conversation(reply, *before):
    return [*(before or [QUESTION]), Message(role="assistant", content=reply)]


def learned(encoded):
    return [token for token, label in zip(*encoded, strict=True) if label != IGNORED]


@pytest.mark.parametrize("make", [byte_level, sentence_piece])
@pytest.mark.parametrize(
    "template", [CHATML, TRIMS, LEADS, BARE], ids=["plain", "trims", "leads with a space", "nothing in between"]
)
@pytest.mark.parametrize("reply", REPLIES)
def test_what_is_learned_follows_the_prompt_of_generation_and_reads_as_the_reply(make, template, reply):
    encoder = make(template)
    encoded = encoder.conversation(conversation(reply))
    prompt = encoder.prompt([QUESTION])
    assert encoded.input_ids == prompt + learned(encoded)
    assert encoded.labels[: len(prompt)] == [IGNORED] * len(prompt)
    assert encoder.reply(learned(encoded)) == (reply.lstrip("\n"), False)


def test_a_token_that_would_span_prompt_and_reply_is_no_reason_to_refuse():
    encoder = byte_level()
    prompt = encoder.prompt([QUESTION])
    text = encoder.tokenizer.apply_chat_template(
        [m.model_dump() for m in conversation("\n- a list\n- of two")], tokenize=False
    )
    assert encoder.tokenizer(text)["input_ids"][: len(prompt)] != prompt  # so the case is what it says
    encoded = encoder.conversation(conversation("\n- a list\n- of two"))
    assert encoder.tokenizer.decode(encoded.input_ids) == text.rstrip("\n")


@pytest.mark.parametrize(
    ("template", "before", "said"),
    [
        (NO_SYSTEM, [Message(role="system", content="Be brief."), QUESTION], "put the system message at the beginning"),
        (IN_TURNS, [QUESTION, QUESTION], "join messages of one role"),
        (IN_TURNS, [Message(role="assistant", content="Hello"), QUESTION], "begin with the user's message"),
        ("{{ messages[0].content.no_such(1) }}", [QUESTION], "change the sample"),
    ],
)
def test_a_template_that_refuses_a_conversation_is_one_line_with_what_to_do(template, before, said):
    encoder = byte_level(template)
    for ask in (lambda: encoder.conversation(conversation("x", *before)), lambda: encoder.prompt(before)):
        with pytest.raises(ConfigError, match=said) as caught:
            ask()
        assert str(caught.value).startswith("student.model: its chat template refuses") and "\n" not in str(
            caught.value
        )


def test_what_cannot_be_trained_on_is_named_and_the_rest_is_kept():
    system = Message(role="system", content="Be brief.")
    asked = {
        "a": conversation("one two three"),
        "b": conversation("one", system, QUESTION),
        "c": conversation("one two three " * 50),
    }
    samples = [Sample(id=name, messages=messages, task="judged", answer="x") for name, messages in asked.items()]
    fitting, long, refused = encode_all(byte_level(NO_SYSTEM), samples, 60)
    assert (len(fitting), long, [r.sample_id for r in refused]) == (1, ["c"], ["b"])


@pytest.mark.parametrize("said", ["    return 1", "\n\n    return 1\n", "x", " x "])
def test_code_keeps_its_indentation_in_generation(said):
    encoder = byte_level()
    ids = encoder.tokenizer(said)["input_ids"]
    assert encoder.reply([*ids, *encoder.end_of_turn]).text == {" x ": "x"}.get(said, said.strip("\n"))

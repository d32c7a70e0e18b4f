"""The shipped student: encoding, labels, replies."""

import pytest
import torch

from pada_ray.config import StudentConfig
from pada_ray.errors import ConfigError
from pada_ray.records import Message
from pada_ray.student.chat_encoder import IGNORED, ChatEncoder
from pada_ray.student.model import Student, faster_in_bfloat16

SETTINGS = StudentConfig(model="demo", max_length=256, dtype="float32")
QUESTION = Message(role="user", content="Ann has 3 apples and gets 4 more. How many now?")
REPLY = Message(role="assistant", content="3 + 4 = 7. Answer: 7")


@pytest.fixture(scope="module")
def student():
    return Student(SETTINGS)


def test_only_the_reply_and_its_end_carry_loss(student):
    ids, labels = student.encoder.conversation([QUESTION, REPLY])
    prompt = student.encoder.prompt([QUESTION])
    assert ids[: len(prompt)] == prompt
    assert set(labels[: len(prompt)]) == {IGNORED}
    assert labels[len(prompt) :] == ids[len(prompt) :]
    assert ids[-1] == student.model.generation_config.eos_token_id
    assert student.encoder.tokenizer.decode(ids[len(prompt) : -1]).strip() == REPLY.content


def test_a_template_that_ends_no_turn_is_refused(student):
    encoder = ChatEncoder(student.encoder.tokenizer, {}, end_of_turn={10**6})
    with pytest.raises(ConfigError, match="ends no reply"):
        encoder.conversation([QUESTION, REPLY])


def test_a_prompt_that_is_no_prefix_is_refused(student, monkeypatch):
    monkeypatch.setattr(
        student.encoder.tokenizer,
        "chat_template",
        "{{ messages | length }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}",
    )
    with pytest.raises(ConfigError, match="not the beginning"):
        student.encoder.conversation([QUESTION, REPLY])


def test_replies_do_not_depend_on_their_neighbours(student):
    prompts = [
        [Message(role="user", content=f"Ann has {i} apples and gets {i} more." + " How many now?" * i)]
        for i in (1, 5, 2)
    ]
    together = student.replies(prompts, max_new_tokens=12, batch_size=3)
    alone = [student.replies([p], max_new_tokens=12, batch_size=1)[0] for p in prompts]
    assert together == alone


def test_the_loss_on_a_reply_is_the_mean_over_its_tokens(student):
    told, other = [QUESTION, REPLY], [QUESTION, Message(role="assistant", content="Blue zebra. Answer: 7")]
    ids, labels = student.encoder.conversation(told)
    ids, labels = torch.tensor([ids]), torch.tensor([labels])
    (loss, worse) = student.losses([told, other])
    assert loss == pytest.approx(student.model(input_ids=ids, labels=labels).loss.item(), rel=1e-4)
    assert loss < worse


def test_what_is_too_long_to_be_trained_on_has_no_loss(student):
    long = Message(role="user", content="many words " * 300)
    assert student.losses([[long, REPLY]]) == [None]


def test_a_prompt_without_room_for_a_reply_gets_an_empty_one(student):
    long = [Message(role="user", content="many words " * 300)]
    (reply,) = student.replies([long], max_new_tokens=8, batch_size=1)
    assert reply == ("", True)


def test_a_prompt_with_less_room_gets_what_room_there_is(student, monkeypatch):
    short = [Message(role="user", content="Tom has 3 apples. How many?")]
    whole = student.replies([short], max_new_tokens=4, batch_size=1)
    close = SETTINGS.model_copy(update={"max_length": len(student.encoder.prompt(short)) + 4})
    monkeypatch.setattr(student, "settings", close)
    assert student.replies([short], max_new_tokens=30, batch_size=1) == whole


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_a_model_that_cannot_be_loaded_is_an_error_of_the_config(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"student\.model"):
        Student(StudentConfig(model=str(tmp_path / folder)))


@pytest.mark.parametrize(
    ("cpu", "faster"),
    [
        ({"cpu_name": "Intel Xeon Platinum 8481C", "avx512_bf16": True, "amx_bf16": True}, True),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}, False),  # a virtual machine hides AMX
        ({"cpu_name": "AMD EPYC 9B14", "avx512_bf16": True}, True),
        ({"cpu_name": "AMD EPYC 7B13", "avx512_bf16": False}, False),
        ({}, False),
    ],
)
def test_bfloat16_is_taken_by_the_processors_that_are_faster_in_it(cpu, faster):
    assert faster_in_bfloat16(cpu) is faster

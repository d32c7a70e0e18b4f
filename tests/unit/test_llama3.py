"""Llama 3's way of writing conversations, with a tokenizer of our own: its real one is behind a gate."""

from __future__ import annotations

from datetime import date

import pytest
from tokenizers_for_tests import BEGIN, HEADER, HEADER_END, TEXT_END, TURN_END, llama3
from transformers import DataCollatorForSeq2Seq

from pada_ray.config import StudentConfig
from pada_ray.records import Message
from pada_ray.student.chat_encoder import IGNORED, load_encoder

QUESTION = Message(role="user", content="one two?")
ASKED = f"{HEADER}user{HEADER_END}\n\none two?{TURN_END}{HEADER}assistant{HEADER_END}\n\n"


@pytest.fixture
def student(tmp_path):
    llama3(str(tmp_path))
    return lambda **keys: StudentConfig(model=str(tmp_path), **keys)


def text(encoder, ids):
    return encoder.tokenizer.decode(ids, skip_special_tokens=False)


def said(reply):
    return [QUESTION, Message(role="assistant", content=reply)]


def test_the_reply_and_the_end_of_its_turn_are_learned_and_nothing_else(student):
    encoder = load_encoder(student())
    ids, labels = encoder.conversation(said("three"))
    learned = [token for token, label in zip(ids, labels, strict=True) if label != IGNORED]
    assert text(encoder, learned) == f"three{TURN_END}"
    assert labels[-len(learned) :] == learned == ids[-len(learned) :]
    prompt = text(encoder, encoder.prompt([QUESTION]))
    assert prompt == text(encoder, ids[: -len(learned)])
    assert prompt.endswith(ASKED) and prompt.count(BEGIN) == 1  # no second one from the tokenizer


@pytest.mark.parametrize("end", [TURN_END, TEXT_END])
def test_either_token_ends_a_reply(student, end):
    encoder = load_encoder(student())
    ids = encoder.tokenizer(f"three{end}one", add_special_tokens=False)["input_ids"]
    assert encoder.reply(ids) == ("three", False)
    assert encoder.reply(ids[:1]).truncated


def test_padding_hides_no_end_of_a_turn(student):
    """Without a padding token, the one that ends a turn pads. What is padded has no loss, the end of each turn has."""
    encoder = load_encoder(student())
    assert encoder.tokenizer.pad_token == TURN_END
    rows = [encoder.conversation(said(reply)) for reply in ("three", "three two one one two three")]
    batch = DataCollatorForSeq2Seq(encoder.tokenizer, label_pad_token_id=IGNORED)(
        [{"input_ids": ids, "labels": labels} for ids, labels in rows]
    )
    end = encoder.tokenizer.convert_tokens_to_ids(TURN_END)
    short = len(rows[0].input_ids)
    assert batch["input_ids"].shape[1] > short
    learned_ends = [(row == end).sum().item() for row in batch["labels"]]
    assert learned_ends == [1, 1]
    padded = batch["attention_mask"][0] == 0
    assert padded.sum() == batch["input_ids"].shape[1] - short
    assert (batch["labels"][0][padded] == IGNORED).all()


def test_the_date_is_the_same_in_every_prompt(student):
    """A run that goes on tomorrow would else train on other prompts than today."""
    line = "Today Date: {}\n\n".format
    prompt = text(load := load_encoder(student()), load.prompt([QUESTION]))
    assert line("26 Jul 2024") in prompt and line(date.today().strftime("%d %b %Y")) not in prompt
    given = load_encoder(student(chat_template={"date_string": "1 May 2030"}))
    assert line("1 May 2030") in text(given, given.prompt([QUESTION]))


def test_a_system_message_stands_behind_the_date(student):
    encoder = load_encoder(student())
    system = Message(role="system", content="Be brief.")
    assert f"26 Jul 2024\n\nBe brief.{TURN_END}{ASKED}" in text(encoder, encoder.prompt([system, QUESTION]))

"""Ollama's Modelfile: the template says what the chat template says, or is left out."""

from __future__ import annotations

import pytest
from tiny_models import TEMPLATE, tokenizer

from pada_ray.export.modelfile import modelfile, read_turns

DEFAULT = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nBe kind.<|im_end|>\n' }}{% endif %}" + TEMPLATE
)
TALK = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello!"), ("user", "2 + 3?")]


def reader(template):
    found = tokenizer("qwen2")
    found.chat_template = template
    return found


@pytest.mark.parametrize("template", [TEMPLATE, DEFAULT])
@pytest.mark.parametrize("first", [0, 1])
def test_turns_are_those_of_the_chat_template(template, first):
    messages = [{"role": role, "content": content} for role, content in TALK[first:]]
    expected = reader(template).apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert read_turns(reader(template), {}).render(TALK[first:]) == expected


def test_the_template_in_ollamas_language():
    text = modelfile("m.gguf", read_turns(reader(DEFAULT), {}), ["<|im_end|>"], 512, 64)
    assert text == (
        'FROM ./m.gguf\nTEMPLATE """{{ if not .System }}<|im_start|>system\nBe kind.<|im_end|>\n{{ end }}'
        '{{ range .Messages }}{{ if eq .Role "system" }}<|im_start|>system\n{{ .Content }}<|im_end|>\n'
        '{{ else if eq .Role "user" }}<|im_start|>user\n{{ .Content }}<|im_end|>\n'
        '{{ else if eq .Role "assistant" }}<|im_start|>assistant\n{{ .Content }}<|im_end|>\n{{ end }}{{ end }}'
        '<|im_start|>assistant\n"""\nPARAMETER stop "<|im_end|>"\nPARAMETER temperature 0\n'
        "PARAMETER repeat_penalty 1\nPARAMETER num_ctx 512\nPARAMETER num_predict 64\n"
    )


@pytest.mark.parametrize("stop", ["<｜end▁of▁sentence｜>", "\n\n", " Q:", "\\n", 'say "x"', '"', 'a"\nb'])
def test_a_stop_is_what_ollama_reads(stop):
    """Between quotes, one or three, it takes every character as it is."""
    text = modelfile("m.gguf", None, [stop], 512, 64)
    value = text.partition("PARAMETER stop ")[2].partition("\nPARAMETER temperature")[0]
    quotes = '"""' if value.startswith('"""') else '"'
    assert quotes == '"""' or '"' not in stop
    assert value == f"{quotes}{stop}{quotes}"


@pytest.mark.parametrize(
    "template",
    [
        TEMPLATE.replace("message['content']", "message['content'] | upper"),
        TEMPLATE.replace("message['role'] + ", "(loop.index | string) + message['role'] + "),
        "{{ raise_exception('no') }}",
    ],
)
def test_a_template_that_does_more_is_left_to_ollama(template):
    assert read_turns(reader(template), {}) is None
    assert "TEMPLATE" not in modelfile("m.gguf", None, [], 512, 64)

import asyncio
import json

import pytest
from builders import ScriptedLlm
from pydantic import BaseModel

from pada_ray.errors import UnreadableReply
from pada_ray.llm.ask import ask, read_reply, strict_schema
from pada_ray.llm.chat import ChatReply
from pada_ray.llm.reply_schemas import (
    ErrorAnalysisReply,
    GenerationReply,
    PatternQualityReply,
    QualityReply,
    StrategyDraftingReply,
)


class Names(BaseModel):
    names: list[str]


def read(text, cut_off=False):
    return read_reply(ChatReply(text=text, cut_off=cut_off), Names).names


@pytest.mark.parametrize(
    "text",
    [
        '{"names": ["Ann", "Bo"]}',
        '["Ann", "Bo"]',
        'Sure! Here it is:\n```json\n{"names": ["Ann", "Bo"]}\n```\nAnything else?',
        'First {not json}, then {"other": 1}, then {"names": ["Ann", "Bo"]}.',
        '{"names": ["Ann", "Bo"], "comment": "an unknown key"}',
        '<think>Perhaps {"names": ["Cy"]}? No.</think>\n{"names": ["Ann", "Bo"]}',
    ],
)
def test_readable(text):
    assert read(text) == ["Ann", "Bo"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        ("I would rather not.", "no complete JSON"),
        ('{"names": ["Ann", ', "no complete JSON"),
        ('{"names": [1]}', "names.0"),
        ('{"name": []}', "names"),
        ('{"names": ' + "[" * 100_000, "nested too deeply"),
    ],
)
def test_unreadable(text, problem):
    with pytest.raises(ValueError, match=problem):
        read(text)


def test_what_would_steer_a_terminal_is_left_out():
    text = json.dumps({"names": ["\x1b]0;me\x07Ann\x9b2J", "a\r\n\tb", "half \ud83d"]})
    assert read(text) == ["]0;meAnn2J", "a\n\tb", "half "]


def test_a_cut_off_reply_says_so():
    with pytest.raises(ValueError, match="token limit"):
        read('{"names": ["Ann", ', cut_off=True)


def test_parts_of_a_cut_off_reply_never_pass_for_the_whole():
    cut = '{"strategies": [{"category_name": "a", "strategy_name": "b", "generation_approach": "c", "key_elements": []}'
    with pytest.raises(ValueError):
        read_reply(ChatReply(text=cut, cut_off=True), StrategyDraftingReply)


def test_asks_again_with_the_readers_error():
    llm = ScriptedLlm("no", {"names": []}, {"names": ["Ann"]})

    def check(reply):
        if not reply.names:
            raise ValueError("Nobody is named.")

    reply = asyncio.run(ask(llm, "Who?", Names, purpose="test", max_reasks=2, check=check))
    assert reply.names == ["Ann"]
    assert "no complete JSON" in llm.requests[1].messages[-1].content
    assert "Nobody is named." in llm.requests[2].messages[-1].content
    assert [m.role for m in llm.requests[2].messages] == ["user", "assistant", "user", "assistant", "user"]


def test_gives_up_after_the_last_reask():
    llm = ScriptedLlm("no")
    with pytest.raises(UnreadableReply, match="3 attempts"):
        asyncio.run(ask(llm, "Who?", Names, purpose="test", max_reasks=2))
    assert len(llm.requests) == 3


@pytest.mark.parametrize(
    "reply_type", [ErrorAnalysisReply, GenerationReply, PatternQualityReply, QualityReply, StrategyDraftingReply]
)
def test_schemas_are_strict_all_the_way_down(reply_type):
    def objects(schema):
        if isinstance(schema, dict):
            if "properties" in schema:
                yield schema
            for part in schema.values():
                yield from objects(part)
        elif isinstance(schema, list):
            for part in schema:
                yield from objects(part)

    found = list(objects(strict_schema(reply_type)))
    assert len(found) >= 2
    for schema in found:
        assert schema["additionalProperties"] is False
        assert schema["required"] == list(schema["properties"])

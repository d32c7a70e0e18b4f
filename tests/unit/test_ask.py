import asyncio
import json

import pytest
from builders import ScriptedLlm
from pydantic import BaseModel

from pada_ray.errors import UnreadableReply
from pada_ray.llm.ask import ask, ask_each
from pada_ray.llm.chat import ChatReply
from pada_ray.llm.reply_schemas import (
    AnalysisReply,
    EvaluationReply,
    GradeReply,
    PatternCategorizationReply,
    PatternEvaluationReply,
    SampleReply,
    SampleWithAnswerReply,
    StrategyReply,
    schema_of_entries,
    strict_schema,
)


class Score(BaseModel):
    score: float


def ask_scores(llm, number=2, max_reasks=2, tokens=1000, **options):
    def prompt(names):
        return f"Score {', '.join(names)}."

    names = {f"pair-{i}": tokens for i in range(1, number + 1)}
    given = {"purpose": "test", "max_reasks": max_reasks} | options
    found = asyncio.run(ask_each(llm, names, prompt, Score, **given))
    return {name: entry.score for name, entry in found.items()}


def scores(*names, score=7):
    return {name: {"score": score} for name in names}


def cut_off(text):
    return lambda request: ChatReply(text=text, cut_off=True)


def prompts(llm):
    return [request.messages[0].content for request in llm.requests]


# --- what is asked for again


def test_what_was_read_is_kept_and_only_the_rest_is_asked_for_again():
    llm = ScriptedLlm(scores("pair-1", "pair-3"), scores("pair-2", score=2))
    assert ask_scores(llm, 3) == {"pair-1": 7, "pair-2": 2, "pair-3": 7}
    assert [list(r.reply_schema["properties"]) for r in llm.requests] == [["pair-1", "pair-2", "pair-3"], ["pair-2"]]
    assert prompts(llm)[1].startswith("Score pair-2.\n\n") and "pair-2: It is missing." in prompts(llm)[1]


def test_what_stays_missing_after_the_last_reask_is_not_there():
    llm = ScriptedLlm(scores("pair-1"), "no")
    assert ask_scores(llm) == {"pair-1": 7}
    assert len(llm.requests) == 3
    assert ask_scores(ScriptedLlm("no")) == {}


def test_entries_of_a_later_reply_do_not_replace_what_was_read():
    llm = ScriptedLlm(scores("pair-1"), scores("pair-1", "pair-2", score=1))
    assert ask_scores(llm) == {"pair-1": 7, "pair-2": 1}


def test_a_check_turns_down_single_entries():
    def check(entry, others):
        if entry.score in [other.score for other in others]:
            raise ValueError("Its score is taken.")

    llm = ScriptedLlm(scores("pair-1", "pair-2"), scores("pair-2", score=3))
    assert ask_scores(llm, check=check) == {"pair-1": 7, "pair-2": 3}
    assert "pair-2: Its score is taken." in prompts(llm)[1]


def test_no_request_is_equal_to_an_earlier_one_and_none_has_a_turn_of_the_assistant():
    llm = ScriptedLlm("", "", "", "no", "no")
    assert ask_scores(llm, max_reasks=4) == {}
    assert len(set(prompts(llm))) == 5
    assert all([m.role for m in request.messages] == ["user"] for request in llm.requests)
    assert "1. the whole reply: It is empty." in prompts(llm)[1]


def test_a_refused_prompt_loses_only_what_was_not_read():
    def refuse(request):
        raise UnreadableReply("test: too long")

    assert ask_scores(ScriptedLlm(scores("pair-1"), refuse)) == {"pair-1": 7}


def refusing(*refused):
    """Answers what names none of `refused`."""

    def reply(request):
        asked = request.reply_schema["required"]
        if set(refused) & set(asked):
            raise UnreadableReply("test: content_filter")
        return ChatReply(text=json.dumps(scores(*asked)), cut_off=False)

    return ScriptedLlm(reply)


@pytest.mark.parametrize("refused", [[1], [4], [10], [3, 4], [1, 10], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]])
@pytest.mark.parametrize("max_reasks", [0, 2])
def test_what_makes_a_prompt_refused_costs_nothing_else(refused, max_reasks):
    llm = refusing(*(f"pair-{i}" for i in refused))
    kept = [f"pair-{i}" for i in range(1, 11) if i not in refused]
    assert list(ask_scores(llm, 10, max_reasks)) == kept
    assert len(llm.requests) == len(set(prompts(llm))) < 20


def test_a_half_of_a_refused_prompt_is_asked_for_like_any_other_prompt():
    def refuse(request):
        raise UnreadableReply("test: too long")

    llm = ScriptedLlm(refuse, scores("pair-1"), "no", scores("pair-2"), scores("pair-3", "pair-4"))
    assert list(ask_scores(llm, 4)) == ["pair-1", "pair-2", "pair-3", "pair-4"]
    asked = [list(r.reply_schema["properties"]) for r in llm.requests]
    assert asked[1:] == [["pair-1", "pair-2"], ["pair-2"], ["pair-2"], ["pair-3", "pair-4"]]
    assert rooms(llm)[1] == rooms(llm)[0] // 2
    assert prompts(llm)[1] == "Score pair-1, pair-2."


def test_a_check_holds_an_entry_against_those_of_the_other_half():
    def check(entry, others):
        if entry.score in [other.score for other in others]:
            raise ValueError("Its score is taken.")

    def refuse(request):
        raise UnreadableReply("test: too long")

    llm = ScriptedLlm(refuse, scores("pair-1"), scores("pair-2"), scores("pair-2", score=3))
    assert ask_scores(llm, check=check) == {"pair-1": 7, "pair-2": 3}


def test_a_whole_reply_is_asked_for_again_with_the_readers_error():
    llm = ScriptedLlm("no", {"name": 1}, {"score": 5})
    reply = asyncio.run(ask(llm, "Which?", Score, purpose="test", max_reasks=2))
    assert reply.score == 5
    assert "1. It holds no JSON object." in prompts(llm)[1]
    assert "2. At score: Field required." in prompts(llm)[2]


def test_gives_up_after_the_last_reask():
    llm = ScriptedLlm("no")
    with pytest.raises(UnreadableReply, match="3 attempts"):
        asyncio.run(ask(llm, "Who?", Score, purpose="test", max_reasks=2))
    assert len(llm.requests) == 3


# --- how long a reply may be


def rooms(llm):
    return [request.max_tokens for request in llm.requests]


def test_a_reply_has_two_to_three_times_the_room_that_it_should_need():
    llm = ScriptedLlm(scores("pair-1", "pair-2"))
    ask_scores(llm, tokens=1000)
    assert 2 * 2000 <= rooms(llm)[0] <= 3 * 2000


def test_a_reply_that_was_cut_off_keeps_its_complete_entries_and_the_next_has_twice_the_room():
    begun = '{"pair-1": {"score": 7}, "pair-2": {"score": 1'
    llm = ScriptedLlm(cut_off(begun), cut_off(begun.replace("-2", "-4")), scores("pair-2"))
    assert ask_scores(llm) == {"pair-1": 7, "pair-2": 7}
    first, second, third = rooms(llm)
    assert (second, third) == (2 * first, 4 * first)
    assert "pair-2: The reply breaks off before it is complete." in prompts(llm)[1]


@pytest.mark.parametrize("text", ["", "<think>Let me see. {", "Let me see, step by step:"])
def test_a_reply_that_was_cut_off_within_its_thoughts_is_given_all_the_room_there_is(text):
    llm = ScriptedLlm(cut_off(text), scores("pair-1", "pair-2"))
    ask_scores(llm)
    assert rooms(llm)[1] is None
    llm = ScriptedLlm(cut_off(text), {"score": 5})
    asyncio.run(ask(llm, "Which?", Score, purpose="test", max_reasks=2, tokens=100))
    assert rooms(llm)[0] is not None and rooms(llm)[1] is None


def test_a_reply_that_ended_by_itself_is_given_no_more_room():
    llm = ScriptedLlm("no", scores("pair-1", "pair-2"))
    ask_scores(llm)
    assert rooms(llm)[0] == rooms(llm)[1]


# --- schemas

ENTRIES = [
    AnalysisReply, EvaluationReply, GradeReply, PatternEvaluationReply, SampleReply, SampleWithAnswerReply,
    StrategyReply,
]  # fmt: skip


def objects(schema):
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for part in schema.values():
            yield from objects(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from objects(part)


@pytest.mark.parametrize(
    "schema",
    [strict_schema(PatternCategorizationReply), *(schema_of_entries(entry, ["pair-1", "pair-2"]) for entry in ENTRIES)],
)
def test_schemas_are_strict_all_the_way_down(schema):
    found = list(objects(schema))
    for part in found:
        assert part["additionalProperties"] is False
        assert part["required"] == list(part["properties"])
    assert not {"minLength", "minimum", "maximum", "default"} & set(json.dumps(schema).replace('"', " ").split())


@pytest.mark.parametrize("entry", ENTRIES)
def test_each_name_is_a_required_key_and_there_is_no_other(entry):
    schema = schema_of_entries(entry, ["pair-1", "pair-2"])
    assert schema["required"] == list(schema["properties"]) == ["pair-1", "pair-2"]
    assert not any(part.get("type") == "array" for part in schema["properties"].values())


@pytest.mark.parametrize("entry", [EvaluationReply, PatternEvaluationReply, GradeReply])
def test_a_judge_says_why_before_it_rates(entry):
    assert next(iter(strict_schema(entry)["properties"])) == "feedback"

"""The replies that an LLM is asked for, as pydantic models: the JSON fields of appendix C (figures 2 to 7).

Where a call is about several things, its reply is an object with a required key for each (`pair-1` ... `pair-10`), so
that a strict schema ends it. The models here are one such entry, without the fields that its key says. What says why
stands before what it leads to. Unknown keys in a reply are ignored; missing ones make an entry unreadable.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model, model_validator

T = TypeVar("T", bound=BaseModel)


def _no_truth_value(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number is expected")
    return value


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _as_text(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


Rating = Annotated[float, BeforeValidator(_no_truth_value), Field(ge=1, le=10)]
Texts = Annotated[list[str], BeforeValidator(_as_list)]


class Reply(BaseModel):
    """Numbers where texts are due are read, and texts that are numbers where numbers are due."""

    model_config = ConfigDict(coerce_numbers_to_str=True)


class AnalysisReply(Reply):
    """Figure 2, of one failure."""

    error_cause: str = Field(min_length=1)
    scenario_category: str = Field(min_length=1)


class PatternCategorizationReply(Reply):
    """Figure 3."""

    category_name: str = Field(min_length=1)
    error_pattern: str = Field(min_length=1)
    representative_samples: Texts


class StrategyReply(Reply):
    """Figure 4, of one pattern."""

    strategy_name: str = Field(min_length=1)
    generation_approach: str = Field(min_length=1)
    key_elements: Texts


class MessageReply(Reply):
    """A message as the LLM wrote it. Its role and content are checked later, for each sample."""

    role: str = Field(json_schema_extra={"enum": ["system", "user", "assistant"]})
    content: str


class QuestionReply(Reply):
    """Figures 5 and 6, of one example of which the question alone is written anew."""

    question: str = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _of_messages(cls, given: Any) -> Any:
        """The last question and reply of a conversation, which some models give although it is not asked for."""
        if not isinstance(given, dict) or "question" in given or not isinstance(given.get("messages"), list):
            return given
        messages = [m for m in given["messages"] if isinstance(m, dict) and isinstance(m.get("role"), str)]
        said = {m["role"]: m.get("content") for m in messages}
        return given | {"question": said.get("user"), "reply": said.get("assistant")}


class TurnReply(QuestionReply):
    """The same with its reply, of an example that is one question and its reply."""

    reply: Annotated[str, BeforeValidator(_as_text)]


class TurnWithAnswerReply(TurnReply):
    """The same where examples show an answer, such as test code."""

    answer: str | None


class SampleReply(Reply):
    """Figures 5 and 6, of one example of more messages."""

    messages: list[MessageReply]


class SampleWithAnswerReply(SampleReply):
    """The same where examples show an answer, such as test code."""

    answer: str | None


class AnswerReply(Reply):
    """Another model's reply to one new question, whose answer it has not seen."""

    reply: Annotated[str, BeforeValidator(_as_text)]


class EvaluationReply(Reply):
    """Figure 7, of one pair, for the training errors, which have no strategy to adhere to."""

    feedback: str
    utility: Rating
    relevance: Rating


class PatternEvaluationReply(EvaluationReply):
    """Figure 7, of one pair, for the patterns."""

    adherence: Rating


class GradeReply(Reply):
    """The judge's rating of a model's reply to an open-ended question (section 2.1)."""

    feedback: str
    rating: Rating


def with_choices(reply_type: type[T], choices: Sequence[str]) -> type[T]:
    """The same with the only texts that its `reply` may be in its schema. What is read may be another: it is checked
    later, for each sample."""
    if not choices:
        return reply_type
    reply: Any = Annotated[str, BeforeValidator(_as_text), Field(json_schema_extra={"enum": list(choices)})]
    return create_model(reply_type.__name__, __base__=reply_type, reply=(reply, ...))


def strict_schema(reply_type: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a reply for strict structured output: all keys required, no others allowed, and no keywords
    that servers refuse."""
    schema: dict[str, Any] = _strict(reply_type.model_json_schema())
    return schema


def schema_of_entries(entry_type: type[BaseModel], names: Sequence[str]) -> dict[str, Any]:
    """The same for an object with a key for each name, whose value is an `entry_type`."""
    entry = strict_schema(entry_type)
    definitions = entry.pop("$defs", {})
    return {
        "type": "object",
        "properties": {name: {"$ref": "#/$defs/Entry"} for name in names},
        "required": list(names),
        "additionalProperties": False,
        "$defs": {**definitions, "Entry": entry},
    }


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    dropped = ("title", "default", "description", "minLength", "minItems", "minimum", "maximum")
    kept = {key: _strict(part) for key, part in schema.items() if key not in dropped}
    if "properties" in schema:
        kept["properties"] = {name: _strict(part) for name, part in schema["properties"].items()}
        kept |= {"required": list(kept["properties"]), "additionalProperties": False}
    return kept

"""What a person's file may hold, and errors in it that name file, line and key."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pada_ray.agents.leak_guard import LeakGuard
from pada_ray.config import Reviewed
from pada_ray.config.yaml_text import load_yaml
from pada_ray.errors import DataError
from pada_ray.records import WrittenMessage
from pada_ray.storage import Folder

E = TypeVar("E", bound=BaseModel)
Decision = Literal["accept", "drop"]

_SHOWN = 60  # characters of what a text shares with a held-out one


class Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    decision: Decision = "accept"


class StrategyEntry(Entry):
    """A strategy. One without `cluster` is the person's own."""

    cluster: int | None = None
    category_name: str = ""
    strategy_name: str
    generation_approach: str
    key_elements: list[str] = Field(default_factory=list)

    @field_validator("strategy_name", "generation_approach")
    @classmethod
    def _says_something(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("it is empty; write it, or set `decision: drop`")
        return text


class SampleEntry(Entry):
    """A synthetic sample. One without `id` is the person's own."""

    id: str | None = None
    rating: float | None = Field(default=None, ge=1, le=10)
    """The person's, of the sample as it was shown."""
    feedback: str = ""
    """The person's."""
    messages: list[WrittenMessage]
    answer: str | None = None
    """Where the reply does not hold what it is checked against, such as test code."""
    judge: dict[str, Any] | None = None
    group: str | None = None
    strategy: str | None = None
    seed_id: str | None = None
    """The sample whose form it has."""


def read_text(folder: Folder, file: str) -> str:
    """The text of a file of a review. Raises DataError for one that is gone, or that is not UTF-8."""
    try:
        return folder.read_bytes(file).decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{folder.at(file)}: it is gone; `pada resume {folder.url}` writes it anew") from None
    except UnicodeDecodeError as e:
        raise DataError(f"{folder.at(file)}: not UTF-8 ({e.reason} at byte {e.start}); save it as UTF-8") from None


def entries_in(text: str, what: Reviewed, file: str) -> list[dict[str, Any]]:
    """The entries in the text of a review's file, unchecked. Raises DataError or ConfigError for what is no list of
    them."""
    try:
        lines = [line for line in text.split("\n") if line.strip()]
        read = load_yaml(text, file) if what == "strategies" else [json.loads(line) for line in lines]
    except (ValueError, RecursionError) as e:
        raise DataError(f"{file}: not JSON ({e}); mend it in an editor, then reload the page") from None
    if not isinstance(read, list) or not all(isinstance(entry, dict) for entry in read):
        raise DataError(f"{file}: not a list of entries; mend it in an editor, then reload the page")
    return read


def parsed(kind: type[E], given: Any, where: Callable[[str], str]) -> E:
    """The entry in `given`. Raises DataError; `where` gives file and line of one of its keys."""
    if not isinstance(given, dict):
        raise DataError(f"{where('')}: not a mapping of keys; allowed: {', '.join(kind.model_fields)}")
    try:
        return kind.model_validate(given)
    except ValidationError as e:
        first = e.errors(include_url=False)[0]
        key, said = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            said = f"unknown key; allowed: {', '.join(kind.model_fields)}"
        raise DataError(f"{where(str(first['loc'][0]))}: {key}: {said[0].lower()}{said[1:]}") from None


def check_free_of_held_out(guard: LeakGuard, text: str, where: str, key: str) -> None:
    """Raises DataError for a text that quotes val or test."""
    hits = guard.hits(text)
    if hits:
        words = hits[0].words if len(hits[0].words) <= _SHOWN else f"{hits[0].words[:_SHOWN]}…"
        raise DataError(f"{where}: {key}: it quotes held-out item {hits[0].sample_id} ({words!r}); write it otherwise")

"""Reads checked objects from an LLM's reply, and says truthfully what cannot be read.

Nothing is guessed. An entry is taken only as a whole, from the last JSON of the reply's final words, and under the name
that it was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from pada_ray.errors import one_line
from pada_ray.llm.chat import ChatReply
from pada_ray.llm.json_text import BROKEN_OFF, Part, is_container, members, parts, whole
from pada_ray.llm.mend_json import double_backslashes
from pada_ray.llm.thoughts import final_part
from pada_ray.printable import printable

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True)
class Entries(Generic[T]):
    """The entries that a reply holds, and for each of the others why it does not."""

    read: dict[str, T]
    lost: dict[str, str]


def read_reply(reply: ChatReply, reply_type: type[T]) -> T:
    """The last JSON object of a reply as a `reply_type`. Raises ValueError, saying what is wrong."""
    text = _final_part(reply)
    last = _last_part(reply, text, reply_type.model_fields)
    return _checked(whole(text, last.at[-1])[0], reply_type)


def read_entries(
    reply: ChatReply, names: Sequence[str], entry_type: type[T], aliases: Mapping[str, str] | None = None
) -> Entries[T]:
    """The entries of a reply that should be one JSON object with a key for each name, such as `pair-1`.

    Also read: a key that says the same in another way (`1`, `Pair 1`, or one of `aliases`, text -> name), that object
    under a key of its own, an array of entries that each say their name, and a lone entry if one was asked for.
    """
    found = _Found()
    try:
        text = _final_part(reply)
        last = _last_part(reply, text, [*names, *(aliases or {}), *entry_type.model_fields])
        search = _Search(text, _Names(names, aliases or {}), entry_type.model_fields, found)
        for at in last.at:
            search.look(at)
    except ValueError as e:
        return Entries({}, dict.fromkeys(names, one_line(e)))
    read: dict[str, T] = {}
    lost: dict[str, str] = {}
    for name in names:
        try:
            read[name] = _checked(found.take(name), entry_type)
        except ValueError as e:
            lost[name] = one_line(e)
    return Entries(read, lost)


def begins_an_answer(reply: ChatReply) -> bool:
    """Whether a reply comes so far as JSON after its thoughts."""
    return bool(parts(final_part(reply.text)))


def _final_part(reply: ChatReply) -> str:
    """Raises ValueError if there is none."""
    if not reply.text.strip():
        raise ValueError(_with_limit("It is empty.", reply))
    text = final_part(double_backslashes(reply.text))
    if not text.strip():
        raise ValueError(_with_limit("It ends within its thoughts, before the answer begins.", reply))
    return text


def _last_part(reply: ChatReply, text: str, words: Iterable[str]) -> Part:
    """The last JSON that has any of the words that were asked for: what stands before it are drafts.

    A reply that was cut off must begin with it. Else all of the reply may be thoughts, whose end is not there.
    """
    found = parts(text)
    if not found:
        raise ValueError(_with_limit("It holds no JSON object.", reply))
    wanted = re.compile("|".join(map(re.escape, words)), re.IGNORECASE)
    last = next((p for p in reversed(found) if not p.closed or wanted.search(text, p.at[0], p.end)), found[-1])
    if reply.cut_off and not re.fullmatch(r"\s*(```\w*)?\s*", text[: last.at[0]]):
        raise ValueError(_with_limit("It was still thinking.", reply))
    return last


def _with_limit(problem: str, reply: ChatReply) -> str:
    return f"{problem} It was cut off at the token limit; be briefer." if reply.cut_off else problem


def _checked(value: Any, reply_type: type[T]) -> T:
    try:
        return reply_type.model_validate(_printable(value))
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"At {where or 'the root'}: {first['msg']}.") from None
    except RecursionError:
        raise ValueError("It is nested too deeply.") from None
    except TypeError as e:  # a validator met what it did not expect
        raise ValueError(f"It is not of the form that was asked for: {e}.") from None


def _printable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _printable(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_printable(part) for part in value]
    return printable(value) if isinstance(value, str) else value


class _Names:
    """Finds the name that an identifier stands for: "pair-3" for `pair-3`, `Pair 3`, `3` and 3."""

    def __init__(self, names: Sequence[str], aliases: Mapping[str, str]):
        self.only = names[0] if len(names) == 1 else None
        self._kind = _plain(names[0]).rpartition("-")[0]
        self._known = {_plain(text): name for text, name in aliases.items() if name in names}
        self._known |= {name.rpartition("-")[2]: name for name in names}
        self._known |= {_plain(name): name for name in names}

    def find(self, identifier: object) -> str | None:
        return self._known.get(_plain(identifier)) if isinstance(identifier, str | int) else None

    def is_first_of_0(self, identifier: object) -> bool:
        """Whether it counts from 0, so that it is not clear what 1 means."""
        return _plain(identifier) in ("0", f"{self._kind}-0")

    def is_of_another(self, identifier: object) -> bool:
        """Whether it is a name like those that were asked for, but none of them."""
        kind = _plain(identifier).rpartition("-")[0]
        return kind != "" and kind == self._kind and self.find(identifier) is None


def _plain(identifier: object) -> str:
    return re.sub(r"[\s_-]+", "-", str(identifier).strip().lower())


class _Found:
    """What a reply holds by name, and why the rest is not there."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._lost: dict[str, str] = {}
        self.otherwise = "It is missing."

    def add(self, name: str, value: Any) -> None:
        if name in self._values and self._values[name] != value:
            self._lost[name] = "It stands there twice, in different forms."
        self._values[name] = value

    def lose(self, name: str, problem: ValueError) -> None:
        self._lost[name] = str(problem)

    def take(self, name: str) -> Any:
        """Raises ValueError if it is lost."""
        if name in self._lost or name not in self._values:
            raise ValueError(self._lost.get(name, self.otherwise))
        return self._values[name]


_IDENTIFIERS = (
    "sample_id", "sample_idx", "reply_id", "pattern_id", "based_on_example", "category_name", "id", "key", "name",
)  # fmt: skip


class _Search:
    """Adds to `found` the entries in objects and arrays of a text."""

    def __init__(self, text: str, names: _Names, fields: Collection[str], found: _Found):
        self._text = text
        self._names = names
        self._fields = fields
        self._found = found

    def look(self, at: int, depth: int = 0) -> None:
        """In the object or array that opens at a position."""
        inside = members(self._text, at)
        if not inside.complete:
            self._found.otherwise = BROKEN_OFF
        if self._text[at] == "[":
            self._look_in_array([begin for _, begin in inside.at])
            return
        named = [(name, begin) for key, begin in inside.at if (name := self._names.find(key))]
        if self._counts_from_0(key for key, _ in inside.at):
            return
        for name, begin in named:
            self._add(name, begin)
        if not named and depth == 0 and self._names.only and any(key in self._fields for key, _ in inside.at):
            self._add(self._names.only, at)  # the entry itself
        elif not named and depth == 0:
            for begin in (begin for _, begin in inside.at if is_container(self._text, begin)):
                self.look(begin, depth=1)

    def _look_in_array(self, positions: list[int]) -> None:
        entries = []
        for begin in positions:
            try:
                value = whole(self._text, begin)[0]
            except ValueError as e:
                self._found.otherwise = str(e)  # whose it was is not known
                continue
            entries += [value] if isinstance(value, dict) else []
        if self._counts_from_0(entry.get(field) for entry in entries for field in _IDENTIFIERS):
            return
        for entry in entries:
            name = self._name_of(entry) or (self._names.only if len(positions) == 1 else None)
            if name and not any(self._names.is_of_another(entry.get(field)) for field in _IDENTIFIERS):
                self._found.add(name, entry)

    def _counts_from_0(self, identifiers: Iterable[object]) -> bool:
        if not any(map(self._names.is_first_of_0, identifiers)):
            return False
        self._found.otherwise = "The entries are counted from 0, so that it is not clear which are meant."
        return True

    def _name_of(self, entry: dict[str, Any]) -> str | None:
        names = (self._names.find(entry[field]) for field in _IDENTIFIERS if field in entry)
        return next((name for name in names if name), None)

    def _add(self, name: str, at: int) -> None:
        try:
            self._found.add(name, whole(self._text, at)[0])
        except ValueError as e:
            self._found.lose(name, e)

"""Asks an LLM for JSON and returns checked objects. What was read is kept, and only the rest is asked for again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from pydantic import BaseModel

from pada_ray.errors import UnreadableReply, one_line
from pada_ray.llm.chat import ChatReply, ChatRequest, Llm
from pada_ray.llm.read_reply import Entries, begins_an_answer, read_entries, read_reply
from pada_ray.llm.reply_schemas import schema_of_entries, strict_schema
from pada_ray.records import Message

T = TypeVar("T", bound=BaseModel)

_ROOM = 2.5  # how many times the tokens that a reply is expected to take it may take
_LEAST_ROOM = 256  # tokens


def tokens_of(text: str) -> int:
    """The tokens that a text should take: between the four bytes of English and the three of code and other scripts."""
    return round(len(text.encode(errors="replace")) / 3.5)


async def ask(
    llm: Llm,
    prompt: str,
    reply_type: type[T],
    *,
    purpose: str,
    max_reasks: int,
    tokens: int | None = None,
    temperature: float = 0.0,
    seed: int | None = None,
) -> T:
    """The reply to `prompt`, read as `reply_type`, which is expected to take `tokens`.

    After an unreadable reply the LLM is told the error and asked again, up to `max_reasks` times. Raises
    UnreadableReply if no reply could be read.
    """
    problems: list[str] = []
    room = _Room(tokens)
    for _ in range(1 + max_reasks):
        reply = await llm.chat(
            ChatRequest(
                messages=[Message(role="user", content=prompt + _about(problems))],
                reply_schema=strict_schema(reply_type),
                temperature=temperature,
                seed=seed,
                purpose=purpose,
                max_tokens=room.tokens,
            )
        )
        try:
            return read_reply(reply, reply_type)
        except ValueError as e:
            problems.append(one_line(e))
        room.learn(reply)
    raise UnreadableReply(f"{purpose}: no readable reply in {1 + max_reasks} attempts; the last: {problems[-1]}")


async def ask_each(
    llm: Llm,
    names: Mapping[str, int],
    prompt: Callable[[Sequence[str]], str],
    entry_type: type[T],
    *,
    purpose: str,
    max_reasks: int,
    temperature: float = 0.0,
    seed: int | None = None,
    aliases: Mapping[str, str] | None = None,
    check: Callable[[T, Iterable[T]], None] = lambda entry, others: None,
) -> dict[str, T]:
    """An entry of the reply for each name, as far as they could be read, in the order of `names`, which says how many
    tokens each is expected to take.

    `prompt` gives the prompt about some of the names, and `aliases` what else a name may be called (text -> name).
    `check` holds an entry against those that are kept and raises ValueError. What cannot be read is asked for again, by
    a prompt about that alone which says what was wrong, up to `max_reasks` times. Where the endpoint refuses a prompt,
    each half of its names is asked for alone.
    """
    kept: dict[str, T] = {}

    async def ask_about(asked: Sequence[str]) -> None:
        problems: list[str] = []
        room = _Room(sum(names[name] for name in asked))
        for _ in range(1 + max_reasks):
            missing = [name for name in asked if name not in kept]
            request = ChatRequest(
                messages=[Message(role="user", content=prompt(missing) + _about(problems))],
                reply_schema=schema_of_entries(entry_type, missing),
                temperature=temperature,
                seed=seed,
                purpose=purpose,
                max_tokens=room.tokens,
            )
            try:
                reply = await llm.chat(request)
            except UnreadableReply:  # the endpoint refuses this prompt, perhaps for one name's sake
                for half in _halves(missing):
                    await ask_about(half)
                return
            found = read_entries(reply, missing, entry_type, aliases)
            lost = found.lost | _keep(found, kept, check)
            if not lost:
                return
            problems.append("; ".join(f"{name}: {problem}" for name, problem in _together(lost, missing).items()))
            room.learn(reply)

    await ask_about(list(names))
    return {name: kept[name] for name in names if name in kept}


def _halves(names: Sequence[str]) -> list[Sequence[str]]:
    """None of a single name."""
    middle = len(names) // 2
    return [names[:middle], names[middle:]] if middle else []


def _keep(found: Entries[T], kept: dict[str, T], check: Callable[[T, Iterable[T]], None]) -> dict[str, str]:
    """Adds to `kept` what passes the check. Returns why the rest does not."""
    lost = {}
    for name, entry in found.read.items():
        try:
            check(entry, kept.values())
            kept[name] = entry
        except ValueError as e:
            lost[name] = one_line(e)
    return lost


def _together(lost: Mapping[str, str], asked: Sequence[str]) -> dict[str, str]:
    """What was wrong, said once where it is wrong with everything."""
    if len(lost) == len(asked) and len(set(lost.values())) == 1:
        return {"the whole reply": next(iter(lost.values()))}
    return dict(lost)


def _about(problems: Sequence[str]) -> str:
    """What to say about replies that could not be read. Each is named, so that no request is equal to an earlier one.

    The replies themselves stay out: some servers refuse an empty one, and a long one would crowd out the prompt.
    """
    if not problems:
        return ""
    told = "\n".join(f"{number}. {problem}" for number, problem in enumerate(problems, start=1))
    return f"\n\nYour earlier replies could not be used, for these reasons:\n{told}\nAnswer with the JSON object alone."


class _Room:
    """The most tokens of the next reply; None is as many as the endpoint allows."""

    def __init__(self, expected: int | None):
        self.tokens = None if expected is None else max(_LEAST_ROOM, round(_ROOM * expected))

    def learn(self, reply: ChatReply) -> None:
        """From a reply that could not be used."""
        if not reply.cut_off or self.tokens is None:
            return
        self.tokens = 2 * self.tokens if begins_an_answer(reply) else None  # else its thoughts took all

"""A reply that is told while it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pada_ray.records import Message
from pada_ray.student.generation import greedy
from pada_ray.student.model import Reply, Student

_HALF = "\ufffd"  # what a part of a character decodes to


def stream_reply(
    student: Student,
    messages: Sequence[Message],
    max_new_tokens: int,
    say: Callable[[str], None],
    stop: Sequence[str] = (),
    choices: Sequence[str] = (),
) -> Reply:
    """The greedy reply of `Student.replies`. `say` gets each new piece of its text as soon as it is certain.

    A prompt that leaves no room for a reply gets an empty one.
    """
    encoder, said = student.encoder, ""
    prompt = encoder.prompt(messages)
    limit = min(max_new_tokens, student.settings.max_length - len(prompt))
    if limit <= 0:
        return Reply("", truncated=True)

    def tell(text: str) -> None:
        nonlocal said
        if text.startswith(said) and text != said:
            say(text[len(said) :])
            said = text

    def ended(tokens: list[int]) -> bool:
        done = encoder.ends(tokens, stop)
        text = encoder.reply(tokens, stop).text
        if not done and not text.endswith(_HALF):
            tell(_certain(text, stop))
        return done

    allowed = student.allowed(choices)
    (tokens,) = greedy(student.model, [prompt], [limit], ended, encoder.tokenizer.pad_token_id, allowed)
    reply = encoder.reply(tokens, stop)
    tell(reply.text)
    return reply


def _certain(text: str, stop: Sequence[str]) -> str:
    """The text without what may be the beginning of a `stop` text."""
    longest = max(map(len, stop), default=0)
    doubtful = next((n for n in range(min(longest, len(text)), 0, -1) if _begins(text[-n:], stop)), 0)
    return text[: len(text) - doubtful].rstrip() if doubtful else text


def _begins(end: str, stop: Sequence[str]) -> bool:
    return any(word.startswith(end) for word in stop)

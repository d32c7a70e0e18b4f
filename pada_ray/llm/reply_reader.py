"""Puts a reply together: from the chunks of a stream, or from one body."""

from __future__ import annotations

from typing import Any

from pada_ray.llm.chat import ChatReply, ChatRequest, Completion
from pada_ray.llm.token_estimate import count_tokens

_MOST_TOKENS = 10**9  # a server that reports more is wrong


class StreamedReply:
    """The reply as far as it has come. `take` raises ValueError for what is no chunk of a chat completion."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._finish_reason: str | None = None
        self._usage: Any = None

    def take(self, chunk: Any) -> bool:
        """Whether the chunk holds a piece of the reply or of the thoughts before it. The first chunk of many servers
        only names a role, before the prompt has been read."""
        if not isinstance(chunk, dict):
            return False
        self._usage = chunk.get("usage") or self._usage
        try:
            # More than one reply is never asked for; a chunk without any has the usage, or says what was filtered.
            choices = [choice for choice in chunk.get("choices") or [] if choice.get("index", 0) == 0]
            deltas = [choice.get("delta") or {} for choice in choices]
            text = "".join(_text(delta.get("content")) for delta in deltas)
            holds_a_piece = any(value for delta in deltas for name, value in delta.items() if name != "role")
        except (LookupError, TypeError, AttributeError):
            raise ValueError(f"no chunk of a chat completion: {chunk}") from None
        self._parts.append(text)
        for choice in choices:
            self._finish_reason = choice.get("finish_reason") or self._finish_reason
        return holds_a_piece

    @property
    def finished(self) -> bool:
        """Whether the server has said that nothing more comes."""
        return self._finish_reason is not None

    def completion(self, request: ChatRequest) -> Completion:
        return _completion("".join(self._parts), self._finish_reason, self._usage, request)


def read_body(answer: Any, request: ChatRequest) -> Completion:
    """A chat completion that came whole; ValueError for anything else."""
    try:
        choice = answer["choices"][0]
        text = _text(choice["message"].get("content"))
        return _completion(text, choice.get("finish_reason"), answer.get("usage"), request)
    except (LookupError, TypeError, AttributeError):
        raise ValueError(f"no chat completion: {answer}") from None


def _completion(text: str, finish_reason: Any, usage: Any, request: ChatRequest) -> Completion:
    """Estimates the tokens that the server does not report, or cannot mean."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # a piece may end within a character
    prompt_tokens, completion_tokens = _tokens(usage, "prompt_tokens"), _tokens(usage, "completion_tokens")
    return Completion(
        ChatReply(text=whole, cut_off=finish_reason == "length"),
        prompt_tokens or sum(count_tokens(m.content) for m in request.messages),
        completion_tokens or count_tokens(whole),
        estimated=prompt_tokens is None or (completion_tokens is None and bool(whole)),
    )


def _tokens(usage: Any, name: str) -> int | None:
    """None stands for a number that is not there, is none, or is no possible count."""
    number = usage.get(name) if isinstance(usage, dict) else None
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < _MOST_TOKENS:
        return None
    return number


def _text(content: Any) -> str:
    if isinstance(content, list):  # parts: some servers put the model's thinking beside its text
        return "".join(part["text"] for part in content if part.get("type") == "text")
    if content is not None and not isinstance(content, str):
        raise TypeError("text is expected")
    return content or ""

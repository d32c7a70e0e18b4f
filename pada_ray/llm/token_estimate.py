"""How many tokens a call will take, told before it is made."""

from __future__ import annotations

from typing import NamedTuple

from pada_ray.llm.chat import ChatRequest, Completion

_BYTES_PER_TOKEN = 4.0  # of English; a first guess too
_FEWEST_BYTES_PER_TOKEN = 3  # what common tokenizers need at least, over many scripts
_FIRST_GUESS = 500.0  # tokens of a reply, until one has come
_WEIGHT_OF_LAST = 0.1


class Tokens(NamedTuple):
    prompt: int
    completion: int


class _Varying:
    """A number that varies: its running mean, and how far it strays from that."""

    def __init__(self, first: float):
        self._mean = first
        self._strays = first / 2

    def learn(self, value: float) -> None:
        self._strays += _WEIGHT_OF_LAST * (abs(value - self._mean) - self._strays)
        self._mean += _WEIGHT_OF_LAST * (value - self._mean)

    @property
    def rather_high(self) -> float:
        return self._mean + self._strays


class TokenEstimate:
    """Learns from the replies how many tokens a text has, and how long the replies to each purpose are."""

    def __init__(self, max_tokens: int):
        self._max_tokens = max_tokens
        self._tokens_per_byte = _Varying(1 / _BYTES_PER_TOKEN)
        self._completion: dict[str, _Varying] = {}

    def expected(self, request: ChatRequest) -> int:
        """Tokens of prompt and reply together; rather more than fewer, so that limits hold before the reply tells."""
        known = self._completion.get(request.purpose)
        completion = min(_FIRST_GUESS if known is None else known.rather_high, self._max_tokens)
        return round(_size(request) * self._tokens_per_byte.rather_high + completion)

    def most(self, request: ChatRequest) -> Tokens:
        """What the call can take at worst: a reply to the token limit."""
        return Tokens(_size(request) // _FEWEST_BYTES_PER_TOKEN, self._max_tokens)

    def learn(self, request: ChatRequest, completion: Completion) -> None:
        self._tokens_per_byte.learn(completion.prompt_tokens / _size(request))
        if request.purpose not in self._completion:
            self._completion[request.purpose] = _Varying(completion.completion_tokens)
        self._completion[request.purpose].learn(completion.completion_tokens)


def count_tokens(text: str) -> int:
    """For servers that do not tell."""
    return round(len(text.encode()) / _BYTES_PER_TOKEN)


def _size(request: ChatRequest) -> int:
    """In bytes, with the schema, which counts as prompt."""
    return len(request.model_dump_json().encode())

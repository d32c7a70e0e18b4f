"""Estimates the tokens of a call before it is made."""

from __future__ import annotations

from pada_ray.llm.chat import ChatRequest, Completion

_BYTES_PER_TOKEN = 4.0  # of English; also the first guess
_FEWEST_BYTES_PER_TOKEN = 3  # the least of common tokenizers, over many scripts
_FIRST_GUESS = 500.0  # tokens of a reply, until one has arrived
_WEIGHT_OF_LAST = 0.1


class _Varying:
    """Running mean and mean absolute deviation of a number."""

    def __init__(self, first: float):
        self._mean = first
        self._deviation = first / 2

    def learn(self, value: float) -> None:
        self._deviation += _WEIGHT_OF_LAST * (abs(value - self._mean) - self._deviation)
        self._mean += _WEIGHT_OF_LAST * (value - self._mean)

    @property
    def high(self) -> float:
        return self._mean + self._deviation


class TokenEstimate:
    """Learns from replies how many tokens a text has and how long the replies for each purpose are."""

    def __init__(self, max_tokens: int):
        self._max_tokens = max_tokens
        self._tokens_per_byte = _Varying(1 / _BYTES_PER_TOKEN)
        self._completion: dict[str, _Varying] = {}

    def expected(self, request: ChatRequest) -> int:
        """Tokens of prompt and reply together, estimated high so that limits hold before the reply arrives."""
        known = self._completion.get(request.purpose)
        completion = min(_FIRST_GUESS if known is None else known.high, self._max_tokens)
        return round(_size(request) * self._tokens_per_byte.high + completion)

    def learn(self, request: ChatRequest, completion: Completion) -> None:
        self._tokens_per_byte.learn(completion.prompt_tokens / _size(request))
        if request.purpose not in self._completion:
            self._completion[request.purpose] = _Varying(completion.completion_tokens)
        self._completion[request.purpose].learn(completion.completion_tokens)


def most_of_prompt(request: ChatRequest) -> int:
    """The most tokens that the prompt of a call can take."""
    return _size(request) // _FEWEST_BYTES_PER_TOKEN


def count_tokens(text: str) -> int:
    """An estimate for servers that do not report tokens."""
    return round(len(text.encode()) / _BYTES_PER_TOKEN)


def _size(request: ChatRequest) -> int:
    """In bytes, including the schema, which counts as prompt."""
    return len(request.model_dump_json().encode())

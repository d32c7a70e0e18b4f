"""Greedy generation for a batch of prompts.

It gives what transformers' `generate` gives with no other settings, and does less for it: what all prompts begin with
is read once, and a row that has ended leaves the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import (
    DynamicCache,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from pada_ray.student.shared_beginning import common_beginning

_WORTH_LEAVING = 8  # an eighth of the rows: to make the batch smaller copies all that was read so far

Ended = Callable[[list[int]], bool]
"""Whether a row is to end behind these new tokens."""
Allowed = Callable[[list[int]], list[int]]
"""The tokens that may follow these new ones."""


@torch.inference_mode()
def greedy(
    model: Any,
    prompts: Sequence[list[int]],
    limits: Sequence[int],
    ended: Ended,
    padding: int,
    allowed: Allowed | None = None,
) -> list[list[int]]:
    """The most likely next tokens of each prompt, in order: until `ended`, or as many as its limit (1 or more). With
    `allowed`, the most likely of those, which must be some until the row has `ended`.

    `model` is a causal language model in evaluation mode; `padding` is any token's id.
    """
    rows = [_Row(limit) for limit in limits]
    cache = DynamicCache(config=model.config)
    if not all(isinstance(layer, DynamicLayer | DynamicSlidingWindowLayer) for layer in cache.layers):
        return _by_transformers(model, prompts, rows, ended, padding, allowed)  # recurrent layers
    # A window counts places, and would count the padding between what is shared and what is not.
    shared = 0 if any(layer.is_sliding for layer in cache.layers) else common_beginning(prompts)
    if shared:
        model(input_ids=torch.tensor([prompts[0][:shared]], device=model.device), past_key_values=cache)
        cache.batch_repeat_interleave(len(prompts))
    ids, mask = _left_padded([p[shared:] for p in prompts], padding, model.device)
    mask = torch.cat([mask.new_ones(len(prompts), shared), mask], dim=1)
    places = (mask.cumsum(1) - 1).clamp(min=0)[:, shared:]
    present = rows
    # As a number it would have torch multiply a view of all tokens. Where the last layer's weights are frozen, as with
    # an adapter, torch copies them for each row to do so.
    last = torch.tensor([-1], device=model.device)
    while True:
        out = model(input_ids=ids, attention_mask=mask, position_ids=places, past_key_values=cache, logits_to_keep=last)
        tokens = _most_likely(out.logits[:, -1], present, allowed)
        for row, token in zip(present, tokens.tolist(), strict=True):
            row.add(token, ended)
        going = [i for i, row in enumerate(present) if not row.done]
        if not going:
            return [row.tokens for row in rows]
        if (len(present) - len(going)) * _WORTH_LEAVING >= len(present):
            kept = torch.tensor(going, device=model.device)
            cache.batch_select_indices(kept)
            mask, places, tokens = mask[kept], places[kept], tokens[kept]
            present = [present[i] for i in going]
        ids, places = tokens[:, None], places[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(present), 1)], dim=1)


class _Row:
    """What has been said to one prompt."""

    def __init__(self, limit: int):
        self.limit = limit
        self.tokens: list[int] = []
        self.done = False

    def add(self, token: int, ended: Ended) -> None:
        if not self.done:  # a row that is done may wait for others to leave with it
            self.tokens.append(token)
            self.done = len(self.tokens) == self.limit or ended(self.tokens)


def _most_likely(logits: torch.Tensor, rows: Sequence[_Row], allowed: Allowed | None) -> torch.Tensor:
    """The next token of each row. `logits` has a line for each."""
    return (logits if allowed is None else logits + _barred(logits, rows, allowed)).argmax(-1)


def _barred(logits: torch.Tensor, rows: Sequence[_Row], allowed: Allowed) -> torch.Tensor:
    """0 for the tokens that may follow in each row, and minus infinity for all others."""
    barred = torch.full_like(logits, -torch.inf)
    for i, row in enumerate(rows):
        barred[i, slice(None) if row.done else allowed(row.tokens)] = 0
    return barred


def _left_padded(prompts: Sequence[list[int]], padding: int, device: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """The prompts as one tensor, and a mask of the same shape that is 0 where there is padding."""
    longest = max(map(len, prompts))
    ids = [[padding] * (longest - len(p)) + list(p) for p in prompts]
    mask = [[0] * (longest - len(p)) + [1] * len(p) for p in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def _by_transformers(
    model: Any,
    prompts: Sequence[list[int]],
    rows: Sequence[_Row],
    ended: Ended,
    padding: int,
    allowed: Allowed | None,
) -> list[list[int]]:
    ids, mask = _left_padded(prompts, padding, model.device)
    with _nothing_but_greedy(model, max(row.limit for row in rows), padding) as settings:
        model.generate(
            input_ids=ids,
            attention_mask=mask,
            generation_config=settings,
            stopping_criteria=StoppingCriteriaList([_Watch(rows, ended)]),
            logits_processor=LogitsProcessorList([_Barrier(rows, allowed)] if allowed else []),
        )
    return [row.tokens for row in rows]


class _Watch(StoppingCriteria):
    """Notes the newest token of each row, and ends those that are done."""

    def __init__(self, rows: Sequence[_Row], ended: Ended):
        self._rows = rows
        self._ended = ended

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        for row, token in zip(self._rows, input_ids[:, -1].tolist(), strict=True):
            row.add(token, self._ended)
        return torch.tensor([row.done for row in self._rows], device=input_ids.device)


class _Barrier(LogitsProcessor):
    """Leaves the tokens that are allowed."""

    def __init__(self, rows: Sequence[_Row], allowed: Allowed):
        self._rows = rows
        self._allowed = allowed

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return scores + _barred(scores, self._rows, self._allowed)


@contextmanager
def _nothing_but_greedy(model: Any, limit: int, padding: int) -> Iterator[GenerationConfig]:
    """The settings of greedy generation, and nothing of the model's generation_config.json while the block lasts:
    `generate` takes from there what it is not told, such as a repetition penalty or beams."""
    settings = GenerationConfig(do_sample=False, num_beams=1, max_new_tokens=limit, pad_token_id=padding)
    own = model.generation_config
    model.generation_config = GenerationConfig()
    try:
        yield settings
    finally:
        model.generation_config = own

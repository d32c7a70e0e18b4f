"""Which samples go into which forward pass, so that the optimiser takes the same steps with any number of workers.

transformers' samplers order by the batch of one worker, and fill up an epoch's last step by repeating samples. Both
change what is learned when only the hardware changes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices

from pada_ray.config import FineTuneConfig
from pada_ray.randomness import number_for


def micro_batches(settings: FineTuneConfig, lengths: Sequence[int], workers: int, rank: int, seed: int) -> MicroBatches:
    """Those of the worker `rank` of `workers` that train on samples of these lengths in tokens."""
    size, tokens = settings.batch_size, settings.tokens_per_pass
    if tokens is None:
        passes = passes_for(size, workers, settings.workers[1], settings.gradient_accumulation)
    else:
        passes = passes_within(tokens, lengths, size, workers)
    return MicroBatches(lengths, size, passes, workers, rank, seed, tokens)


def passes_for(batch_size: int, workers: int, most_workers: int, accumulation: int) -> int:
    """Forward passes per optimiser step of each of `workers` workers. With fewer than `most_workers` there are more of
    them rather than larger ones: what a device has room for stays the same."""
    at_a_time = batch_size // (most_workers * accumulation)
    return math.ceil(batch_size / (workers * at_a_time))


def passes_within(tokens: int, lengths: Sequence[int], batch_size: int, workers: int) -> int:
    """Forward passes per optimiser step that any step of an epoch can make do with, where none of a worker's has more
    than `tokens` tokens. The longest samples need most; a sample that is longer still stands alone."""
    longest = sorted(range(len(lengths)), key=lambda i: -lengths[i])[:batch_size]
    return len(_parts_within(tokens, longest, lengths, workers))


def _parts_within(tokens: int, step: Sequence[int], lengths: Sequence[int], workers: int) -> list[Sequence[int]]:
    """The samples of a step in parts, of which each of `workers` takes a share of at most `tokens` tokens, padding
    included: as many as fit, the longest first."""
    left = sorted(step, key=lambda i: -lengths[i])
    parts: list[Sequence[int]] = []
    while left:
        room = workers * max(1, tokens // lengths[left[0]])
        parts.append(left[:room])
        left = left[room:]
    return parts


def _even_parts(step: Sequence[int], passes: int) -> list[Sequence[int]]:
    bounds = [len(step) * i // passes for i in range(passes + 1)]
    return [step[start:end] for start, end in pairwise(bounds)]


class MicroBatches(Sampler[list[int]]):
    """The micro-batches of the worker `rank`, as indices into `lengths`, `passes` in a row for each optimiser step.

    Each step takes `batch_size` samples of similar length, an epoch's last one what is left. Neighbours in length share
    a pass, and the workers deal its samples out among them. With `tokens`, a worker's pass has at most so many. A pass
    that gets no sample takes the index `len(lengths)`, which stands for a sample without loss.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        passes: int,
        workers: int,
        rank: int,
        seed: int,
        tokens: int | None = None,
    ):
        self._lengths = list(lengths)
        self._batch_size = batch_size
        self.passes = passes
        self._workers = workers
        self._rank = rank
        self._seed = seed
        self._tokens = tokens
        self.epoch = 0

    @property
    def steps(self) -> int:
        """Optimiser steps of an epoch."""
        return math.ceil(len(self._lengths) / self._batch_size)

    def __len__(self) -> int:
        return self.passes * self.steps

    def __iter__(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(number_for(self._seed, "order", self.epoch) % 2**63)
        order = get_length_grouped_indices(self._lengths, self._batch_size, generator=generator)
        for start in range(0, len(order), self._batch_size):
            parts = self._parts(order[start : start + self._batch_size])
            for i in range(self.passes):
                dealt = parts[i][self._rank :: self._workers] if i < len(parts) else []
                yield list(dealt) or [len(self._lengths)]

    def _parts(self, step: Sequence[int]) -> list[Sequence[int]]:
        if self._tokens is None:
            return _even_parts(step, self.passes)
        return _parts_within(self._tokens, step, self._lengths, self._workers)


class EpochLoader(DataLoader[Any]):
    """A DataLoader over MicroBatches, to which transformers' Trainer tells the epoch."""

    def set_epoch(self, epoch: int) -> None:
        assert isinstance(self.batch_sampler, MicroBatches)
        self.batch_sampler.epoch = epoch

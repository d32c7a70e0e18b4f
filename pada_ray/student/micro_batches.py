"""Which samples go into which forward pass, so that the optimiser takes the same steps with any number of workers.

transformers' samplers order by the batch of one worker, and fill up an epoch's last step by repeating samples. Both
change what is learned when only the hardware changes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices

from pada_ray.randomness import number_for


def passes_for(batch_size: int, workers: int, most_workers: int, accumulation: int) -> int:
    """Forward passes per optimiser step of each of `workers` workers. With fewer than `most_workers` there are more of
    them rather than larger ones: what a device has room for stays the same."""
    at_a_time = batch_size // (most_workers * accumulation)
    return math.ceil(batch_size / (workers * at_a_time))


class MicroBatches(Sampler[list[int]]):
    """The micro-batches of the worker `rank`, as indices into `lengths`, `passes` in a row for each optimiser step.

    Each step takes `batch_size` samples of similar length, an epoch's last one what is left, dealt out to all passes of
    all workers. A pass that gets none takes the index `len(lengths)`, which stands for a sample without loss.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, passes: int, workers: int, rank: int, seed: int):
        self._lengths = list(lengths)
        self._batch_size = batch_size
        self._passes = passes
        self._workers = workers
        self._rank = rank
        self._seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self._passes * math.ceil(len(self._lengths) / self._batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(number_for(self._seed, "order", self.epoch) % 2**63)
        order = get_length_grouped_indices(self._lengths, self._batch_size, generator=generator)
        for start in range(0, len(order), self._batch_size):
            step = order[start : start + self._batch_size]
            for i in range(self._passes):
                dealt = step[self._rank * self._passes + i :: self._workers * self._passes]
                yield dealt or [len(self._lengths)]


class EpochLoader(DataLoader[Any]):
    """A DataLoader over MicroBatches, to which transformers' Trainer tells the epoch."""

    def set_epoch(self, epoch: int) -> None:
        assert isinstance(self.batch_sampler, MicroBatches)
        self.batch_sampler.epoch = epoch

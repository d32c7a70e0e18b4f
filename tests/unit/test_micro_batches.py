"""The samples of each optimiser step, whatever the number of workers."""

import random

import pytest

from pada_ray.config import FineTuneConfig
from pada_ray.student.micro_batches import EpochLoader, MicroBatches, micro_batches, passes_for, passes_within

LENGTHS = random.Random(0).choices(range(5, 61), k=21)
NO_LOSS = len(LENGTHS)


def of_all_workers(workers, passes, epoch=0, batch_size=8, tokens=None):
    """For each worker its micro-batches of an epoch."""
    samplers = [MicroBatches(LENGTHS, batch_size, passes, workers, rank, 0, tokens) for rank in range(workers)]
    for sampler in samplers:
        sampler.epoch = epoch
    drawn = [list(sampler) for sampler in samplers]
    assert {len(batches) for batches in drawn} == {len(samplers[0])}
    return drawn


def steps(workers, passes, **kwargs):
    """The samples with loss of each optimiser step of all workers together."""
    drawn = of_all_workers(workers, passes, **kwargs)
    together = [[i for worker in drawn for i in worker[at]] for at in range(len(drawn[0]))]
    joined = [together[at : at + passes] for at in range(0, len(together), passes)]
    return [sorted(i for batch in step for i in batch if i != NO_LOSS) for step in joined]


@pytest.mark.parametrize(("workers", "passes"), [(1, 4), (2, 1), (2, 2), (3, 2), (4, 2), (8, 1)])
def test_any_number_of_workers_and_passes_takes_the_same_steps(workers, passes):
    for epoch in (0, 1):
        assert steps(workers, passes, epoch=epoch) == steps(1, 1, epoch=epoch)


def test_an_epoch_takes_every_sample_once_and_its_last_step_what_is_left():
    assert [len(step) for step in steps(2, 2)] == [8, 8, 5]
    assert sorted(i for step in steps(2, 2) for i in step) == list(range(21))
    assert steps(2, 2, epoch=1) != steps(2, 2)


def test_no_pass_is_empty_and_none_is_larger_than_its_share():
    batches = [batch for worker in of_all_workers(4, 2) for batch in worker]
    assert {len(batch) for batch in batches} == {1}
    assert [NO_LOSS] in batches  # the last 5 samples do not go round 8 passes


def test_neighbours_in_length_share_a_step():
    lengths = random.Random(1).choices(range(5, 61), k=400)

    def spread(batches):
        return sum(max(lengths[i] for i in b) - min(lengths[i] for i in b) for b in batches)

    as_they_come = [list(range(start, start + 4)) for start in range(0, 400, 4)]
    assert spread(MicroBatches(lengths, 4, 1, 1, 0, seed=0)) < spread(as_they_come) / 5


@pytest.mark.parametrize(
    ("workers", "most", "accumulation", "passes"),
    [(1, 1, 1, 1), (2, 2, 1, 1), (2, 2, 2, 2), (1, 4, 1, 4), (2, 4, 1, 2), (3, 4, 1, 2), (4, 4, 1, 1), (1, 2, 2, 4)],
)
def test_fewer_workers_make_more_passes_and_no_larger_ones(workers, most, accumulation, passes):
    assert passes_for(8, workers, most, accumulation) == passes
    assert -(-8 // (workers * passes)) <= 8 // (most * accumulation)


def padded(batch):
    return len(batch) * max(LENGTHS[i] for i in batch)


def test_neighbours_in_length_share_a_pass():
    def tokens(passes):
        return sum(padded(batch) for batch in of_all_workers(1, passes)[0] if batch != [NO_LOSS])

    assert sum(LENGTHS) <= tokens(4) < tokens(2) < tokens(1)


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("tokens", [1, 60, 150, 400, 10_000])
def test_a_pass_has_no_more_tokens_than_it_may(workers, tokens):
    passes = passes_within(tokens, LENGTHS, 8, workers)
    for epoch in range(5):
        of_each = of_all_workers(workers, passes, epoch=epoch, tokens=tokens)
        batches = [b for worker in of_each for b in worker if b != [NO_LOSS]]
        assert all(len(batch) == 1 or padded(batch) <= tokens for batch in batches)
        assert steps(workers, passes, epoch=epoch, tokens=tokens) == steps(1, 1, epoch=epoch)


def test_there_are_no_more_passes_than_the_tokens_ask_for():
    assert passes_within(10_000, LENGTHS, 8, workers=1) == 1
    assert passes_within(1, LENGTHS, 8, workers=1) == 8
    assert passes_within(1, LENGTHS, 8, workers=3) == 3
    assert passes_within(1, LENGTHS[:3], 8, workers=1) == 3


def test_the_loader_hears_of_the_epoch():
    samples = [*range(21), "no loss"]
    loader = EpochLoader(samples, batch_sampler=MicroBatches(LENGTHS, 8, 1, 1, 0, seed=0), collate_fn=list)
    loader.set_epoch(1)
    assert [sorted(batch) for batch in loader] == steps(1, 1, epoch=1)


def test_the_config_says_how_a_step_is_split():
    def passes(workers=1, **settings):
        return micro_batches(FineTuneConfig(batch_size=8, **settings), LENGTHS, workers, 0, seed=0).passes

    assert passes() == 1
    assert passes(gradient_accumulation=4) == 4
    assert passes(workers=2, gradient_accumulation=4) == 2
    assert passes(tokens_per_pass=1) == 8
    with pytest.raises(ValueError, match="give one of them"):
        passes(tokens_per_pass=1, gradient_accumulation=2)

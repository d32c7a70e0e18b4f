"""The samples of each optimiser step, whatever the number of workers."""

import random

import pytest

from pada_ray.student.micro_batches import EpochLoader, MicroBatches, passes_for

LENGTHS = [random.Random(0).randint(5, 60) for _ in range(21)]
NO_LOSS = len(LENGTHS)


def of_all_workers(workers, passes, epoch=0, batch_size=8):
    """For each worker its micro-batches of an epoch."""
    samplers = [MicroBatches(LENGTHS, batch_size, passes, workers, rank, seed=0) for rank in range(workers)]
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
    def spread(groups):
        return sum(max(LENGTHS[i] for i in g) - min(LENGTHS[i] for i in g) for g in groups)

    mixed = [list(range(start, min(start + 4, 21))) for start in range(0, 21, 4)]
    assert spread(steps(2, 1, batch_size=4)) < spread(mixed) or spread(mixed) == 0


@pytest.mark.parametrize(
    ("workers", "most", "accumulation", "passes"),
    [(1, 1, 1, 1), (2, 2, 1, 1), (2, 2, 2, 2), (1, 4, 1, 4), (2, 4, 1, 2), (3, 4, 1, 2), (4, 4, 1, 1), (1, 2, 2, 4)],
)
def test_fewer_workers_make_more_passes_and_no_larger_ones(workers, most, accumulation, passes):
    assert passes_for(8, workers, most, accumulation) == passes
    assert -(-8 // (workers * passes)) <= 8 // (most * accumulation)


def test_the_loader_hears_of_the_epoch():
    samples = [*range(21), "no loss"]
    loader = EpochLoader(samples, batch_sampler=MicroBatches(LENGTHS, 8, 1, 1, 0, seed=0), collate_fn=list)
    loader.set_epoch(1)
    assert [sorted(batch) for batch in loader] == steps(1, 1, epoch=1)

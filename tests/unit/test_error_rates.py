"""How often the report's own functions err, by simulation: equal methods that are called different, intervals that miss
the true difference, and differences that are not found."""

import numpy as np
import pytest
from simulations import simulated

from pada_ray.findings.looks import seeds_needed
from pada_ray.findings.statistics import compare
from pada_ray.report.comparison import LEVEL, Look, Pairing
from pada_ray.report.primary import corrected

FAMILY = 69  # comparisons that a large table holds
ITEMS = 200


def comparisons(times, seeds, *, crossed, difference=0.0, seed_deviation=0.03, item_deviation=0.0, resamples=1):
    """The results of `compare` over that many simulated tables."""
    generator = np.random.default_rng(seeds)
    settings = {"seed_deviation": seed_deviation if seeds > 1 else 0, "item_deviation": item_deviation}
    for _ in range(times):
        a, b = simulated(generator, seeds, ITEMS, difference=difference, crossed=crossed, **settings)
        yield compare(a, b, crossed=crossed, seed=0, resamples=resamples)


def most(rate, times):
    """The most hits at this rate that chance explains: three Monte Carlo standard errors above."""
    return rate * times + 3 * np.sqrt(rate * (1 - rate) * times)


@pytest.mark.parametrize(
    ("seeds", "crossed", "seed_deviation", "item_deviation"),
    [
        (1, True, 0.0, 0.0),
        (3, True, 0.03, 0.0),
        (5, True, 0.03, 0.0),
        (3, True, 0.0, 0.1),
        (5, True, 0.03, 0.3),
        (3, False, 0.03, 0.1),
        (5, False, 0.0, 0.0),
    ],
)
def test_equal_methods_are_called_different_as_often_as_p_says(seeds, crossed, seed_deviation, item_deviation):
    times = 3000
    found = comparisons(times, seeds, crossed=crossed, seed_deviation=seed_deviation, item_deviation=item_deviation)
    p = np.array([each.p for each in found])
    for level in (LEVEL, LEVEL / FAMILY):
        assert np.sum(p < level) <= most(level, times)
    if seed_deviation and not item_deviation:  # and p is not larger than it has to be
        assert np.sum(p < LEVEL) >= LEVEL * times - 4 * np.sqrt(LEVEL * times)


def test_seeds_with_few_discordant_items_do_not_agree_into_significance():
    generator, times = np.random.default_rng(0), 3000
    settings = {"difference": 0, "seed_deviation": 0, "item_deviation": 0, "crossed": False, "discordant": 0.05}
    p = [compare(*simulated(generator, 3, 100, **settings), crossed=False, seed=0).p for _ in range(times)]
    for level in (LEVEL, LEVEL / FAMILY):
        assert np.sum(np.array(p) < level) <= most(level, times)


@pytest.mark.parametrize("crossed", [False, True])
@pytest.mark.parametrize("seed_deviation", [0.0, 0.04, 0.15])
@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
def test_the_interval_covers_the_true_difference(crossed, seed_deviation, seeds):
    times = 300
    settings = {"difference": 0.03, "seed_deviation": seed_deviation, "item_deviation": 0.1, "crossed": crossed}
    found = comparisons(times, seeds, resamples=500, **settings)
    missed = sum(not each.low <= 3 <= each.high for each in found)
    assert missed <= most(0.05, times)


def judged(p_values, look):
    """The verdicts over a family of primary comparisons at a look."""
    (one,) = comparisons(1, 1, crossed=True)
    family = [Pairing("", "", one._replace(p=p), look=look) for p in p_values]
    return [pairing.significant for pairing in corrected(family)]


def test_among_equal_methods_a_family_seldom_has_a_significant_one():
    times, size = 300, 10
    p = [each.p for each in comparisons(times * size, 5, crossed=True)]
    look = Look(1, (5,), (5,), 5)
    families = [judged(p[i : i + size], look) for i in range(0, len(p), size)]
    assert sum(map(any, families)) <= most(LEVEL, times)


@pytest.mark.parametrize("detect", [None, 4.0])
def test_two_looks_together_err_no_more_often_than_one(detect):
    """With `detect`, the second look is at as many seeds as the power rule asks for, from 8 to 12."""
    generator, times = np.random.default_rng(2), 2000
    settings = {"difference": 0, "seed_deviation": 0.03, "item_deviation": 0, "crossed": False}
    erred = uncorrected = 0
    for _ in range(times):
        a, b = simulated(generator, 12, ITEMS, **settings)
        first = compare(a[:5], b[:5], crossed=False, seed=0)
        needed = (seeds_needed(first.deviation, detect, LEVEL) or 12) if detect else 8
        looks = (5, min(12, max(8, needed)))
        p = [first.p, compare(a[: looks[1]], b[: looks[1]], crossed=False, seed=0).p]
        near = [(look, each) for look, each in enumerate(p, start=1) if each < LEVEL]
        uncorrected += bool(near)
        erred += any(judged([each], Look(look, looks, (5, 8), looks[look - 1]))[0] for look, each in near)
    assert erred <= most(LEVEL, times) < uncorrected


def test_the_smallest_detectable_difference_is_found_four_times_in_five():
    for seeds, deviation in ((1, 0.0), (5, 0.03)):
        times = 300
        error = 100 * np.sqrt((deviation**2 + 0.4 / ITEMS) / seeds)
        difference = error * {1: 1.96 + 0.842, 5: 2.776 + 0.941}[seeds]
        settings = {"difference": difference / 100, "seed_deviation": deviation, "crossed": False}
        found = list(comparisons(times, seeds, **settings))
        assert np.sqrt(np.mean([each.detectable**2 for each in found])) == pytest.approx(difference, rel=0.2)
        assert 0.74 < np.mean([each.p < LEVEL for each in found]) < 0.86


def test_the_seeds_that_the_power_rule_asks_for_suffice():
    deviation, difference, times = 0.05, 0.06, 400
    seeds = seeds_needed(np.sqrt(deviation**2 + 0.4 / ITEMS), difference, LEVEL)
    assert 8 <= seeds <= 14
    found = comparisons(times, seeds, difference=difference, seed_deviation=deviation, crossed=False)
    assert 0.74 < np.mean([each.p < LEVEL for each in found]) < 0.88

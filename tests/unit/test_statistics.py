import time

import numpy as np
import pytest
from scipy import stats
from simulations import simulated

from pada_ray.findings.statistics import compare, holm, interval, mcnemar, relative_gain


def pairs(both=0, only_a=0, only_b=0, neither=0):
    """Two models' results on the given numbers of items: right or wrong for each."""
    a = [True] * (both + only_a) + [False] * (only_b + neither)
    b = [True] * both + [False] * only_a + [True] * only_b + [False] * neither
    return a, b


def test_interval_is_students():
    values = [56.0, 59.5, 61.2, 58.1, 60.0]
    low, high = stats.t.interval(0.95, 4, loc=np.mean(values), scale=stats.sem(values))
    got = interval(values)
    assert got == pytest.approx((58.96, np.std(values, ddof=1), low, high))
    assert got.low < got.mean < got.high


def test_interval_of_few_or_equal_values():
    assert interval([61.0]) == (61.0, None, None, None)
    assert interval([50.0, 50.0]) == (50.0, 0.0, 50.0, 50.0)
    with pytest.raises(ValueError, match="at least one seed"):
        interval([])


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        (0, 0, 1.0),
        (6, 2, 2 * (1 + 8 + 28) / 2**8),
        (6, 0, 2 / 2**6),
        (5, 5, 1.0),
        (86, 150, 3.716e-05),  # Agresti, Categorical Data Analysis: approval of the prime minister
    ],
)
def test_mcnemar_is_the_exact_test(only_a, only_b, p):
    a, b = pairs(570, only_a, only_b, 794)
    assert mcnemar(a, b) == pytest.approx(p, rel=1e-3)
    assert mcnemar(b, a) == pytest.approx(p, rel=1e-3)


def test_mcnemar_needs_the_same_items():
    with pytest.raises(ValueError, match="2 items against 3"):
        mcnemar([True, False], [True, False, True])


def test_one_seed_is_compared_over_items():
    a, b = pairs(both=200, only_a=60, only_b=40, neither=200)
    got = compare([a], [b], crossed=True, seed=0)
    deviation = 100 * np.sqrt((0.2 - 0.04**2) / 500)
    assert got.over == "items" and (got.seeds, got.items) == (1, 500)
    assert got.difference == pytest.approx(4.0)
    assert (got.low, got.high) == pytest.approx((4 - 1.96 * deviation, 4 + 1.96 * deviation), abs=0.3)
    assert got.p == got.mcnemar_p == pytest.approx(stats.binomtest(40, 100).pvalue)
    assert got.deviation is got.error is None
    assert got.detectable == pytest.approx(100 * (1.96 + 0.8416) * np.sqrt(0.2 / 500), rel=1e-3)


def test_the_other_way_round_is_the_opposite():
    a, b = pairs(both=100, only_a=30, only_b=10, neither=60)
    there, back = (compare(x, y, crossed=False, seed=1) for x, y in (([a, b, a], [b] * 3), ([b] * 3, [a, b, a])))
    assert back.difference == -there.difference
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low), abs=2)
    assert (back.detectable, back.mcnemar_p) == (there.detectable, there.mcnemar_p)


@pytest.mark.parametrize("crossed", [False, True])
def test_with_several_seeds_p_and_interval_are_those_of_the_paired_t_test(crossed):
    differences = [2, 9, 5, 14, 6]  # of 100 items won by a alone, besides 5000 that both have
    order = np.random.default_rng(0).permuted(np.tile(np.arange(15000), (5, 1)), axis=1)  # no item is like in two seeds
    a, b = zip(*(pairs(both=5000, only_a=500 * d, neither=500 * (20 - d)) for d in differences), strict=True)
    a, b = np.take_along_axis(np.array(a), order, 1), np.take_along_axis(np.array(b), order, 1)
    got = compare(list(a), list(b), crossed=crossed, seed=0)
    students = interval([100 * 500 * d / 15000 for d in differences])
    assert got.over == "seeds and items" and got.seeds == 5
    assert got.items == (15000 if crossed else 75000)
    assert got.difference == pytest.approx(students.mean)
    assert got.deviation == pytest.approx(students.deviation)
    assert (got.low, got.high) == pytest.approx((students.low, students.high), rel=0.01)
    assert got.p == pytest.approx(stats.ttest_rel(a.mean(axis=1), b.mean(axis=1)).pvalue, rel=0.01)
    power = stats.nct.sf(stats.t.ppf(0.975, 4), 4, got.detectable / got.error)
    assert power == pytest.approx(0.8, abs=0.02)


def test_the_interval_holds_0_where_p_is_above_5_percent():
    generator = np.random.default_rng(1)
    sides = set()
    for crossed in (False, True):
        for _ in range(100):
            settings = {"difference": 0.06, "seed_deviation": 0.03, "item_deviation": 0.1, "crossed": crossed}
            got = compare(*simulated(generator, 4, 200, **settings), crossed=crossed, seed=0)
            assert (got.low <= 0 <= got.high) == (got.p >= 0.05)
            sides.add(got.p >= 0.05)
    assert sides == {False, True}


def test_items_shared_by_all_seeds_count_once():
    a, b = pairs(both=200, only_a=60, only_b=40, neither=200)
    one, shared = (compare([a] * n, [b] * n, crossed=True, seed=0) for n in (1, 5))
    assert (shared.items, compare([a] * 5, [b] * 5, crossed=False, seed=0).items) == (500, 2500)
    # Seeds that change nothing leave the items' own variance.
    assert shared.error == pytest.approx(100 * np.sqrt((0.2 - 0.04**2) / 500), rel=0.01)
    assert shared.high - shared.low == pytest.approx(one.high - one.low, rel=0.05)
    assert shared.p == pytest.approx(2 * stats.norm.sf(shared.difference / shared.error), rel=0.05)


def test_the_errors_over_seeds_and_items_add_up_to_the_distribution_of_behrens_and_fisher():
    generator = np.random.default_rng(4)
    settings = {"difference": 0.05, "seed_deviation": 0.03, "item_deviation": 0.3, "crossed": True}
    got = compare(*simulated(generator, 3, 200, **settings), crossed=True, seed=0)
    of_seeds = np.sqrt((got.deviation**2 + (100 / 200) ** 2 / 12) / 3)
    of_items = np.sqrt(got.error**2 - of_seeds**2)
    drawn = of_seeds * generator.standard_t(2, 1_000_000) + of_items * generator.standard_normal(1_000_000)
    assert of_items > of_seeds / 3
    assert got.p == pytest.approx(np.mean(np.abs(drawn) >= got.difference), abs=0.002)
    assert got.high - got.difference == pytest.approx(np.quantile(drawn, 0.975), rel=0.02)


def test_seeds_that_happen_to_agree_are_no_proof():
    """Three seeds in which a wins two items more of 100: without the variance of rounding, p would be 0."""
    got = compare(*zip(*[pairs(both=90, only_a=2, neither=8)] * 3, strict=True), crossed=False, seed=0)
    assert got.deviation == 0
    assert 0.001 < got.p < 0.02


def test_without_a_discordant_item_nothing_is_found_and_little_could_be():
    same, _ = pairs(both=70, neither=30)
    got = compare([same] * 3, [same] * 3, crossed=True, seed=0)
    assert (got.difference, got.p, got.mcnemar_p) == (0, 1, 1)
    assert got.low == -got.high and got.high < 1  # less than an item
    assert compare([same], [same], crossed=True, seed=0).detectable == pytest.approx(6)  # six items, in one direction
    assert got.detectable >= 2


def test_the_seed_decides_every_draw():
    a, b = simulated(
        np.random.default_rng(0), 1, 100, difference=0.1, seed_deviation=0, item_deviation=0, crossed=False
    )
    first, again, other = (compare(a, b, crossed=False, seed=seed, resamples=99) for seed in (4, 4, 5))
    assert first == again
    assert first.low != other.low


def test_the_test_sets_of_seeds_may_differ_in_size():
    a, b = zip(pairs(only_a=30, both=70), pairs(only_a=100, both=100), strict=True)
    got = compare(a, b, crossed=False, seed=0)
    assert got.items == 300
    assert got.difference == pytest.approx(40)  # the mean of 30 and 50


@pytest.mark.parametrize(
    ("a", "b", "crossed", "message"),
    [
        ([], [], False, "0 against 0"),
        ([[True, False]], [[True, False]] * 2, False, "1 against 2"),
        ([[True, False]] * 2, [[True, False], [True] * 3], False, "seed number 2: .*2 against 3"),
        ([[True]], [[False]], False, "at least 2"),
        ([[True] * 2, [True] * 3], [[True] * 2, [True] * 3], True, r"crossed: .*\[2, 3\]"),
    ],
)
def test_what_cannot_be_compared(a, b, crossed, message):
    with pytest.raises(ValueError, match=message):
        compare(a, b, crossed=crossed, seed=0)


@pytest.mark.parametrize("crossed", [False, True])
def test_a_comparison_takes_well_under_two_seconds(crossed):
    a, b = simulated(
        np.random.default_rng(0), 5, 500, difference=0, seed_deviation=0.05, item_deviation=0.1, crossed=crossed
    )
    start = time.process_time()
    compare(a, b, crossed=crossed, seed=0)
    assert time.process_time() - start < 2


def test_holm_is_the_textbooks():
    p_values = {"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}
    adjusted = holm(p_values)
    assert adjusted == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert list(adjusted) == list(p_values)


def test_holm_stays_monotone_and_at_most_one():
    p_values = [0.01, 0.013, 0.014, 0.19, 0.35, 0.5, 0.63, 0.67, 0.75, 0.81, 0.001]
    adjusted = holm(dict(enumerate(p_values)))
    assert list(adjusted.values()) == pytest.approx([0.1, 0.117, 0.117, 1, 1, 1, 1, 1, 1, 1, 0.011])
    assert holm({}) == {}
    assert holm({"alone": 0.04}) == {"alone": 0.04}


def test_relative_gain_is_in_percent_of_the_old():
    assert relative_gain(51.2, 24.2) == pytest.approx(111.57, abs=0.01)
    assert relative_gain(45.0, 50.0) == pytest.approx(-10)
    with pytest.raises(ValueError, match="above 0"):
        relative_gain(10.0, 0.0)

import time

import numpy as np
import pytest
from scipy import stats

from pada_ray.findings.statistics import compare, holm, interval, mcnemar, relative_gain


def pairs(both=0, only_a=0, only_b=0, neither=0):
    """Two models' results on the given numbers of items: right or wrong for each."""
    a = [True] * (both + only_a) + [False] * (only_b + neither)
    b = [True] * both + [False] * only_a + [True] * only_b + [False] * neither
    return a, b


def simulated(generator, seeds, items, *, difference, seed_deviation, item_deviation, crossed, discordant=0.4):
    """Two methods whose true difference varies by seed and by item; all in accuracy, 0 to 1."""
    of_items = generator.normal(0, item_deviation, (1 if crossed else seeds, items))
    truth = difference + generator.normal(0, seed_deviation, (seeds, 1)) + of_items
    wins = (discordant + np.clip(truth, -discordant, discordant)) / 2
    uniform = generator.random((seeds, items))
    return list(uniform < wins), list((uniform >= wins) & (uniform < discordant))


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
    assert got.p == pytest.approx(2 * stats.norm.sf(4 / deviation), abs=0.01)
    assert got.mcnemar_p == pytest.approx(stats.binomtest(40, 100).pvalue)
    assert got.detectable == pytest.approx(100 * (1.96 + 0.8416) * np.sqrt(0.2 / 500), rel=1e-3)


def test_the_other_way_round_is_the_opposite():
    a, b = pairs(both=100, only_a=30, only_b=10, neither=60)
    there, back = (compare(x, y, crossed=False, seed=1) for x, y in (([a, b, a], [b] * 3), ([b] * 3, [a, b, a])))
    assert back.difference == -there.difference
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low), abs=2)
    assert (back.detectable, back.mcnemar_p) == (there.detectable, there.mcnemar_p)


@pytest.mark.parametrize("crossed", [False, True])
def test_seeds_that_differ_widely_give_students_interval(crossed):
    differences = [2, 9, 5, 14, 6]  # of 100 items won by a alone, besides 5000 that both have
    a, b = zip(*(pairs(both=5000, only_a=500 * d, neither=500 * (20 - d)) for d in differences), strict=True)
    got = compare(a, b, crossed=crossed, seed=0)
    students = interval([100 * 500 * d / 15000 for d in differences])
    assert got.over == "seeds and items" and got.seeds == 5
    assert got.items == (15000 if crossed else 75000)
    assert got.difference == pytest.approx(students.mean)
    assert got.high - got.low == pytest.approx(students.high - students.low, rel=0.12)
    t = students.mean / students.deviation * np.sqrt(5)
    assert got.p == pytest.approx(2 * stats.t.sf(t, 4), rel=0.4)
    power = stats.nct.sf(stats.t.ppf(0.975, 4), 4, got.detectable / students.deviation * np.sqrt(5))
    assert power == pytest.approx(0.8, abs=0.02)


def test_items_shared_by_all_seeds_count_once():
    a, b = pairs(both=200, only_a=60, only_b=40, neither=200)
    one, shared, own = (compare([a] * n, [b] * n, crossed=c, seed=0) for n, c in ((1, True), (5, True), (5, False)))
    assert (shared.items, own.items) == (500, 2500)
    assert shared.high - shared.low == pytest.approx(one.high - one.low, rel=0.05)
    assert shared.detectable == pytest.approx(one.detectable)
    assert own.high - own.low == pytest.approx((one.high - one.low) / np.sqrt(5), rel=0.05)
    assert own.detectable == pytest.approx(one.detectable / np.sqrt(5))


@pytest.mark.parametrize("crossed", [False, True])
@pytest.mark.parametrize("seed_deviation", [0.0, 0.04, 0.15])
@pytest.mark.parametrize("seeds", [3, 5])
def test_the_interval_covers_the_true_difference(crossed, seed_deviation, seeds):
    generator = np.random.default_rng(7)
    settings = {"difference": 0.03, "seed_deviation": seed_deviation, "item_deviation": 0.1, "crossed": crossed}
    covered = 0
    for _ in range(200):
        a, b = simulated(generator, seeds, 200, **settings)
        got = compare(a, b, crossed=crossed, seed=0, resamples=1000)
        covered += got.low <= 3 <= got.high
    assert 0.87 <= covered / 200 <= 0.995


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_two_equal_methods_seldom_differ(seeds):
    generator = np.random.default_rng(3)
    settings = {"difference": 0, "seed_deviation": 0.03 if seeds > 1 else 0, "item_deviation": 0, "crossed": False}
    p_values = []
    for _ in range(200):
        a, b = simulated(generator, seeds, 200, **settings)
        p_values.append(compare(a, b, crossed=False, seed=0, resamples=1000).p)
    assert np.mean(np.array(p_values) < 0.05) < 0.12
    assert np.median(p_values) > 0.3


def test_a_detectable_difference_is_found_four_times_in_five():
    generator = np.random.default_rng(5)
    settings = {"seed_deviation": 0, "item_deviation": 0, "crossed": True}
    detectable = 100 * (1.96 + 0.8416) * np.sqrt(0.4 / 500)
    found = 0
    for _ in range(200):
        a, b = simulated(generator, 1, 500, difference=detectable / 100, **settings)
        got = compare(a, b, crossed=True, seed=0, resamples=1000)
        assert got.detectable == pytest.approx(detectable, rel=0.2)
        found += got.p < 0.05
    assert 0.7 < found / 200 < 0.9


def test_without_a_discordant_item_nothing_is_found_and_little_could_be():
    same, _ = pairs(both=70, neither=30)
    got = compare([same] * 3, [same] * 3, crossed=True, seed=0)
    assert (got.difference, got.low, got.high, got.p, got.mcnemar_p) == (0, 0, 0, 1, 1)
    assert got.detectable == pytest.approx(6)  # six of 100 items, in one direction


def test_the_seed_decides_every_draw():
    a, b = simulated(
        np.random.default_rng(0), 3, 100, difference=0.1, seed_deviation=0.1, item_deviation=0, crossed=False
    )
    assert compare(a, b, crossed=False, seed=4) == compare(a, b, crossed=False, seed=4)
    assert compare(a, b, crossed=False, seed=4).low != compare(a, b, crossed=False, seed=5).low


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

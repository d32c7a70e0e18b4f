import pytest
from scipy import stats

from pada_ray.findings.looks import MOST_SEEDS, adjusted, bounds, seeds_needed


@pytest.mark.parametrize(
    ("looks", "z"),
    [
        ((1, 2), (2.963, 1.969)),  # gsDesign: sfLDOF, two-sided 5%
        ((1, 2, 3, 4, 5), (4.877, 3.357, 2.680, 2.290, 2.031)),
        ((7,), (1.960,)),
    ],
)
def test_the_bounds_are_those_of_lan_and_demets(looks, z):
    assert [stats.norm.isf(level / 2) for level in bounds(looks, 0.05)] == pytest.approx(z, abs=5e-4)


def test_later_looks_leave_less_than_a_single_test_has():
    first, last = bounds((5, 8), 0.05)
    assert first < 0.01 < last < 0.05
    stretched = bounds((5, 12), 0.05, planned=(5, 8))
    assert stretched[0] == first  # what was spent at the first look stays spent
    assert stretched[1] < bounds((5, 12), 0.05)[1]


@pytest.mark.parametrize("looks", [(5, 8), (5, 8, 12)])
@pytest.mark.parametrize("level", [0.2, 0.05, 0.001])
def test_the_adjusted_p_is_the_level_whose_bound_is_p(looks, level):
    for look, bound in enumerate(bounds(looks, level), start=1):
        assert adjusted(bound, look, looks) == pytest.approx(level, rel=1e-3)


def test_the_adjusted_p_stays_between_p_and_1():
    for look in (1, 2):
        for p in (0.0, 1e-200, 1e-9, 0.01, 0.4, 0.97, 1.0):
            assert p <= adjusted(p, look, (5, 8)) * (1 + 1e-4)
            assert adjusted(p, look, (5, 8)) <= 1
    assert adjusted(0.03, 1, (5,)) == 0.03


def test_the_seeds_needed_give_80_percent_power_and_one_less_does_not():
    seeds = seeds_needed(2.5, 2.0, 0.0125)
    powers = [stats.nct.sf(stats.t.isf(0.00625, n - 1), n - 1, 2.0 / 2.5 * n**0.5) for n in (seeds - 1, seeds)]
    assert powers[0] < 0.8 <= powers[1]
    assert seeds_needed(2.5, -2.0, 0.0125) == seeds
    assert seeds_needed(0.0, 2.0, 0.05) == 2


def test_some_differences_no_number_of_seeds_shows():
    assert seeds_needed(100.0, 2.0, 0.001) is None
    assert seeds_needed(2.5, 2.0, 0.05, extra=1.0) is None  # the items alone hide it
    assert MOST_SEEDS > 100

"""Tests at several looks: seeds are added to a comparison after its first results were seen, by a rule made beforehand.

The significance level is spent over the looks by the spending function of Lan and DeMets (1983, Biometrika 70(3)) that
resembles the bounds of O'Brien and Fleming: little at the first look, nearly all at the last. Here a bound is a level
that p has to be below. That the t tests of the looks have few degrees of freedom is in p already, so the levels are
those of normal statistics (Jennison and Turnbull 2000, Group Sequential Methods, section 11.5).
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# The functions that use scipy load it, since most reports do without.

POWER = 0.80
MOST_SEEDS = 1000  # that `seeds_needed` looks up to

_LOWEST = 1e-100  # below it p needs no correction

_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(80)


class _Sums(NamedTuple):
    """The sum of standardised differences over the seeds so far, as far as it has not gone beyond a bound: its values,
    and how likely each is."""

    seeds: int
    values: NDArray[np.float64]
    masses: NDArray[np.float64]


@functools.lru_cache(maxsize=10_000)
def bounds(looks: tuple[int, ...], level: float, planned: tuple[int, ...] = ()) -> tuple[float, ...]:
    """The level that p has to be below at each look, so that equal methods are told apart at any of them with
    probability `level`, two-sided.

    `looks`: the number of seeds at each, rising. `planned`: those that `level` is spent by, where a later look was
    moved by what the earlier ones showed of the spread; they are as many.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtr

    found: list[float] = []
    sums, spent = _Sums(0, np.zeros(1), np.ones(1)), 0.0
    for seeds, share in zip(looks, planned or looks, strict=True):
        to_spend = _spent(share / (planned or looks)[-1], level) - spent
        bound = float(brentq(lambda b, s=sums, n=seeds, a=to_spend: _beyond(s, n, b) - a, 0.0, 40 * math.sqrt(seeds)))
        found.append(2 * float(ndtr(-bound / math.sqrt(seeds))))
        sums, spent = _continued(sums, seeds, bound), spent + to_spend
    return tuple(found)


def adjusted(p: float, look: int, looks: tuple[int, ...], planned: tuple[int, ...] = ()) -> float:
    """The smallest `level` of all looks together at which p is significant at this one; the first look is 1."""
    from scipy.optimize import brentq

    if len(looks) == 1 or p <= _LOWEST:
        return p

    def excess(log_level: float) -> float:
        return math.log(bounds(looks, math.exp(log_level), planned)[look - 1] / p)

    lowest, highest = math.log(p), math.log(0.999)  # no look has a higher bound than a single test
    if lowest >= highest or excess(highest) <= 0:
        return 1.0
    return p if excess(lowest) >= 0 else math.exp(float(brentq(excess, lowest, highest, xtol=1e-6)))


def seeds_needed(deviation: float, difference: float, level: float, extra: float = 0.0) -> int | None:
    """The fewest seeds with which a paired t test at `level` shows a true `difference` with 80% power.

    `deviation`: of the seeds' differences, in the same unit. `extra`: variance of their mean that more seeds do not
    lower. None where `MOST_SEEDS` do not suffice.
    """
    from scipy.special import nctdtr, stdtrit

    for seeds in range(2, MOST_SEEDS + 1):
        error = math.sqrt(deviation**2 / seeds + extra)
        beyond = stdtrit(seeds - 1, 1 - level / 2)
        if not error or 1 - nctdtr(seeds - 1, abs(difference) / error, beyond) >= POWER:
            return seeds
    return None


def _spent(share: float, level: float) -> float:
    """How much of `level` is spent when a share of the seeds, 0 to 1, has been looked at."""
    from scipy.special import ndtr, ndtri

    return 4 * float(ndtr(ndtri(level / 4) / math.sqrt(share)))


def _beyond(sums: _Sums, seeds: int, bound: float) -> float:
    """How likely the sum over `seeds` is beyond a bound that it has not been beyond before."""
    from scipy.special import ndtr

    deviation = math.sqrt(seeds - sums.seeds)
    return float(sums.masses @ (ndtr((sums.values - bound) / deviation) + ndtr((-bound - sums.values) / deviation)))


def _continued(sums: _Sums, seeds: int, bound: float) -> _Sums:
    """The sums up to the next look, at `seeds`, that stay within its bound."""
    values = bound * _POINTS
    deviation = math.sqrt(seeds - sums.seeds)
    steps = (values[:, None] - sums.values[None, :]) / deviation
    density = np.exp(-(steps**2) / 2) @ sums.masses / (deviation * math.sqrt(2 * math.pi))
    return _Sums(seeds, values, bound * _WEIGHTS * density)

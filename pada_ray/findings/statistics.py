"""The statistics of result tables: intervals over seeds, paired comparisons of two methods, correction for multiple
comparisons, and relative gains as the paper quotes them.

Accuracies and differences are in points (0 to 100) unless a docstring says otherwise. Tests are two-sided; intervals
are at 95%.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

# The functions that use scipy load it, since most tables do without.

K = TypeVar("K", bound=Hashable)

_LEVEL = 0.05
_POWER = 0.80
_FEWEST_DISCORDANT = 6  # the fewest pairs, all in one direction, whose exact McNemar p (2 / 2**6) is below 5%


class Interval(NamedTuple):
    """A mean over seeds with its standard deviation and 95% interval. With one seed, all but the mean are None."""

    mean: float
    deviation: float | None
    low: float | None
    high: float | None


class Comparison(NamedTuple):
    """The result of `compare(a, b)`."""

    difference: float
    """Accuracy of a minus accuracy of b, in points, with equal weight for each seed."""
    low: float
    high: float
    p: float
    """Of the paired t test over the seeds' means; with one seed, McNemar's exact p."""
    mcnemar_p: float
    """Exact, over the discordant pairs of all seeds together."""
    deviation: float | None
    """The standard deviation of the seeds' differences, in points; None with one seed."""
    error: float | None
    """The standard error of the difference, in points; None with one seed."""
    detectable: float
    """The smallest true difference, in points, that this comparison would have shown with 80% power at 5%."""
    seeds: int
    items: int
    """Distinct items: those of one test set if all seeds share it, otherwise the sum over seeds."""
    over: Literal["items", "seeds and items"]
    """What interval and p generalise to. With one seed: to other items, for these two trained models only."""


def interval(values: Sequence[float]) -> Interval:
    """Student's t interval of the mean of `values`, one per seed, in their unit. Raises ValueError without values."""
    if not values:
        raise ValueError("an interval needs the value of at least one seed")
    mean = float(np.mean(values))
    if len(values) == 1:
        return Interval(mean, None, None, None)
    deviation = float(np.std(values, ddof=1))
    half = _students(len(values), 1 - _LEVEL / 2) * deviation / math.sqrt(len(values))
    return Interval(mean, deviation, mean - half, mean + half)


def mcnemar(a_failed: ArrayLike, b_failed: ArrayLike) -> float:
    """Exact p of McNemar's test on the discordant items, those that exactly one of two models failed.

    `a_failed`, `b_failed`: one boolean per item, in the same order. p is 1 without discordant items. Raises ValueError
    for unequal lengths.
    """
    from scipy.special import bdtr

    a, b = np.asarray(a_failed, dtype=bool), np.asarray(b_failed, dtype=bool)
    if a.shape != b.shape:
        raise ValueError(f"McNemar's test needs the same items for both models: {a.size} items against {b.size}")
    only_a, only_b = int(np.sum(a & ~b)), int(np.sum(b & ~a))
    return min(1.0, 2 * float(bdtr(min(only_a, only_b), only_a + only_b, 0.5)))


def compare(
    a: Sequence[ArrayLike], b: Sequence[ArrayLike], *, crossed: bool, seed: int, resamples: int = 10_000
) -> Comparison:
    """Compares the methods a and b by the items they get right: one boolean array per training seed, in the same
    order.

    Within a seed, a and b have the same items in the same order. `crossed`: all seeds share these items (a dataset's
    test set). Otherwise each seed has its own test set (the demo). `seed` is for the bootstrap's generator.

    With one seed, p is McNemar's exact one, and the interval is from a bootstrap over the items.

    With several, both are from the paired t test over the seeds' differences, so that the interval holds 0 exactly
    where p is above 5%. The variance that the seeds show is never dropped. Two things are added to it:
    - If all seeds share their items, these move all seeds alike, and the seeds do not show it: the variance of the
      items' means over seeds, without the part that is the noise of single seeds. The sum of Student's error over the
      seeds and this normal one has the distribution of Behrens and Fisher.
    - A seed's difference is a whole number of items, and rounding to whole numbers has a variance of 1/12. Without it,
      seeds that happen to win the same number of items have no variance and p is 0. With three seeds and few discordant
      items that happens far more often than such a p says.
    In simulation, p is below 5% in at most 5% of comparisons of equal methods, and the interval covers the true
    difference in at least 95%.

    McNemar's p assumes independent pairs. This holds with one seed. With more, p is about these trained models rather
    than the method, and with crossed items it counts an item once per seed.

    `detectable` is by the test that gives p, but at least six items in one direction, the fewest with which McNemar's
    test reaches 5%:
    - with one seed, (z(0.975) + z(0.8)) * sqrt(share of discordant pairs / items).
    - with several, half the width of the interval plus t(0.8) * standard error, with seeds - 1 degrees of freedom. The
      error over the seeds is taken as at least the one that their items alone would cause.

    Raises ValueError unless a and b have the same number of seeds, at least one, and in each seed the same number of
    items, at least two. With `crossed`, all seeds need the same number of items.
    """
    by_seed = _differences(a, b, crossed)
    pairs = np.concatenate(by_seed)
    seed_means = np.array([items.mean() for items in by_seed])
    mcnemar_p = mcnemar(pairs < 0, pairs > 0)
    mean = float(seed_means.mean())
    deviation = error = None
    if len(by_seed) == 1:
        p, detectable = mcnemar_p, _detectable_with_one_seed(pairs)
        low, high = _bootstrapped(pairs, resamples, np.random.default_rng(seed))
    else:
        errors = _errors(by_seed, crossed)
        deviation, error = float(seed_means.std(ddof=1)), errors.together
        p, detectable = _tail(abs(mean), errors), _detectable_with_several_seeds(by_seed, errors, crossed)
        half = _half_width(errors)
        low, high = mean - half, mean + half
    return Comparison(
        difference=100 * mean,
        low=100 * max(low, -1.0),
        high=100 * min(high, 1.0),
        p=p,
        mcnemar_p=mcnemar_p,
        deviation=None if deviation is None else 100 * deviation,
        error=None if error is None else 100 * error,
        detectable=100 * detectable,
        seeds=len(by_seed),
        items=len(by_seed[0]) if crossed else pairs.size,
        over="items" if len(by_seed) == 1 else "seeds and items",
    )


def holm(p_values: Mapping[K, float]) -> dict[K, float]:
    """The p values of a family of comparisons, adjusted by Holm's method. Keys and their order stay the same."""
    ascending = sorted(p_values, key=lambda key: p_values[key])
    adjusted: dict[K, float] = {}
    largest = 0.0
    for i, key in enumerate(ascending):
        largest = max(largest, (len(ascending) - i) * p_values[key])
        adjusted[key] = min(1.0, largest)
    return {key: adjusted[key] for key in p_values}


def relative_gain(new: float, old: float) -> float:
    """How much higher accuracy `new` is than accuracy `old`, in percent of `old`.

    We read the averages of sections 1 and 3.3 as the mean over datasets of this gain; the paper does not give the
    formula. As points they do not fit: at 1000 samples HellaSwag rises by 27.0 points, yet the average over the four
    datasets is +32.0. The other three would rise by 33.7 points on average, more than the dataset singled out and more
    than GSM8K's whole accuracy with 600 samples.
    Raises ValueError when `old` is not above 0.
    """
    if old <= 0:
        raise ValueError(f"a relative gain needs an accuracy above 0 to start from, not {old}")
    return 100 * (new - old) / old


def _differences(a: Sequence[ArrayLike], b: Sequence[ArrayLike], crossed: bool) -> list[NDArray[np.float64]]:
    """For each seed and item: 1 where only a is right, -1 where only b is, else 0."""
    if len(a) != len(b) or not a:
        raise ValueError(f"a comparison needs the same seeds for both, at least one: {len(a)} against {len(b)}")
    pairs = [(np.asarray(x, dtype=bool), np.asarray(y, dtype=bool)) for x, y in zip(a, b, strict=True)]
    for i, (x, y) in enumerate(pairs):
        if x.shape != y.shape or x.size < 2:
            raise ValueError(f"seed number {i + 1}: both need the same items, at least 2: {x.size} against {y.size}")
    sizes = [x.size for x, _ in pairs]
    if crossed and len(set(sizes)) > 1:
        raise ValueError(f"crossed: all seeds need the same items, but they have {sizes} items")
    return [x.astype(np.float64) - y for x, y in pairs]


def _bootstrapped(items: NDArray[np.float64], resamples: int, generator: np.random.Generator) -> tuple[float, float]:
    """The percentile interval of the mean of `items`.

    The items have few distinct values. Drawing how often each occurs needs no array of (resamples, items).
    """
    values, counts = np.unique(items, return_counts=True)
    means = generator.multinomial(items.size, counts / items.size, size=resamples) @ values / items.size
    low, high = np.quantile(means, [_LEVEL / 2, 1 - _LEVEL / 2])
    return float(low), float(high)


class _Errors(NamedTuple):
    """The parts of the standard error of a mean difference over several seeds."""

    seeds: int
    of_seeds: float
    """As the seeds' differences show it."""
    of_items: float
    """Of the items that all seeds share."""

    @property
    def together(self) -> float:
        return math.hypot(self.of_seeds, self.of_items)


def _errors(by_seed: Sequence[NDArray[np.float64]], crossed: bool) -> _Errors:
    seeds = len(by_seed)
    rounding = float(np.mean([1 / 12 / d.size**2 for d in by_seed]))
    of_seeds = math.sqrt((float(np.var([d.mean() for d in by_seed], ddof=1)) + rounding) / seeds)
    if not crossed:
        return _Errors(seeds, of_seeds, 0.0)
    in_common = float(np.mean(by_seed, axis=0).var(ddof=1)) - _interaction(by_seed) / seeds
    return _Errors(seeds, of_seeds, math.sqrt(max(0.0, in_common) / by_seed[0].size))


def _tail(distance: float, errors: _Errors) -> float:
    """How likely a mean difference of 0 looks at least as far from 0 as `distance`."""
    from scipy.special import ndtr, stdtr

    if not errors.of_items:
        return 2 * float(stdtr(errors.seeds - 1, -distance / errors.of_seeds))
    scales, weights = _scales(errors.seeds - 1)
    return min(1.0, 2 * float(weights @ ndtr(-distance / np.hypot(errors.of_seeds * scales, errors.of_items))))


def _half_width(errors: _Errors) -> float:
    """Half the width of the 95% interval."""
    from scipy.optimize import brentq

    students = _students(errors.seeds, 1 - _LEVEL / 2)
    if not errors.of_items:
        return students * errors.of_seeds
    widest = students * (errors.of_seeds + errors.of_items)
    return float(brentq(lambda d: _tail(d, errors) - _LEVEL, 0.0, widest, xtol=1e-9 * widest, rtol=1e-7))


@functools.cache
def _scales(freedom: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Student's distribution as a mixture of normal ones: their standard deviations and weights."""
    from scipy.stats import chi2

    points, weights = np.polynomial.legendre.leggauss(100)
    logs = 22.5 * points - 17.5  # of chi-square / freedom; beyond -40 and 5 next to nothing is left
    masses = 22.5 * weights * np.exp(chi2.logpdf(freedom * np.exp(logs), freedom) + logs) * freedom
    return np.exp(-logs / 2), masses / masses.sum()


def _interaction(by_seed: Sequence[NDArray[np.float64]]) -> float:
    """The variance of an item's difference beside what it has in common with its seed or with the item in other
    seeds."""
    d: NDArray[Any] = np.stack(by_seed)
    rest = d - d.mean(axis=1, keepdims=True) - d.mean(axis=0, keepdims=True) + d.mean()
    seeds, items = d.shape
    return float(np.sum(rest**2)) / ((seeds - 1) * (items - 1))


def _detectable_with_one_seed(items: NDArray[np.float64]) -> float:
    from scipy.special import ndtri

    z = float(ndtri(1 - _LEVEL / 2) + ndtri(_POWER))
    return max(_FEWEST_DISCORDANT / items.size, z * math.sqrt(float(np.mean(items**2)) / items.size))


def _detectable_with_several_seeds(by_seed: Sequence[NDArray[np.float64]], errors: _Errors, crossed: bool) -> float:
    single = _interaction(by_seed) / by_seed[0].size if crossed else np.mean([d.var(ddof=1) / d.size for d in by_seed])
    least = errors._replace(of_seeds=max(errors.of_seeds, math.sqrt(float(single) / errors.seeds)))
    fewest = _FEWEST_DISCORDANT / sum(map(len, by_seed))
    return max(fewest, _half_width(least) + _students(errors.seeds, _POWER) * least.together)


def _students(seeds: int, quantile: float) -> float:
    """A quantile of Student's distribution with seeds - 1 degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(seeds - 1, quantile))

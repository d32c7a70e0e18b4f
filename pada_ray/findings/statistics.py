"""The statistics of result tables: intervals over seeds, paired comparisons of two methods, correction for multiple
comparisons, and relative gains as the paper quotes them.

Accuracies and differences are in points (0 to 100) unless a docstring says otherwise. Tests are two-sided; intervals
are at 95%.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

# The functions that use scipy load it: it takes more than a second, and most tables do without.

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
    """From the same bootstrap as the interval."""
    mcnemar_p: float
    """Exact, over the discordant pairs of all seeds together."""
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
    from scipy import stats

    deviation = float(np.std(values, ddof=1))
    half = float(stats.t.ppf(1 - _LEVEL / 2, len(values) - 1)) * deviation / math.sqrt(len(values))
    return Interval(mean, deviation, mean - half, mean + half)


def mcnemar(a_failed: ArrayLike, b_failed: ArrayLike) -> float:
    """Exact p of McNemar's test on the discordant items, those that exactly one of two models failed.

    `a_failed`, `b_failed`: one boolean per item, in the same order. p is 1 without discordant items. Raises ValueError
    for unequal lengths.
    """
    from scipy import stats

    a, b = np.asarray(a_failed, dtype=bool), np.asarray(b_failed, dtype=bool)
    if a.shape != b.shape:
        raise ValueError(f"McNemar's test needs the same items for both models: {a.size} items against {b.size}")
    discordant = int(np.sum(a != b))
    return float(stats.binomtest(int(np.sum(a & ~b)), discordant).pvalue) if discordant else 1.0


def compare(
    a: Sequence[ArrayLike], b: Sequence[ArrayLike], *, crossed: bool, seed: int, resamples: int = 10_000
) -> Comparison:
    """Compares the methods a and b by the items they get right: one boolean array per training seed, in the same
    order.

    Within a seed, a and b have the same items in the same order. `crossed`: all seeds share these items (a dataset's
    test set), and the bootstrap draws items once for all seeds. Otherwise each seed has its own test set (the demo),
    and the bootstrap draws from each. `seed` is for the bootstrap's generator.

    The bootstrap has two levels. It draws the seeds' deviations from the mean difference, and it draws the items (a
    pair stays together). The deviations contain the noise of the items, which would count twice, so they are first
    scaled down to their size without it. Then they are multiplied by Student's factor for the number of seeds: plain
    resampling of three seeds covers 75% where 95% is claimed (reflated residuals: Carpenter, Goldstein and Rasbash
    2003, Applied Statistics 52(4)). In simulation, the interval covers 92 to 97% from five seeds on, at worst 90% with
    three and 85% with two.

    McNemar's p assumes independent pairs. This holds with one seed. With more, p is about these trained models rather
    than the method, and with crossed items it counts an item once per seed.

    `detectable` is the larger of the two values below, but at least six items in one direction, the fewest with which
    McNemar's test reaches 5%:
    - over items, (z(0.975) + z(0.8)) * rms / sqrt(items), where rms is the root mean square of an item's difference,
      averaged over seeds if crossed. With one seed, rms**2 is the share of discordant pairs.
    - over seeds, (t(0.975) + t(0.8)) * deviation / sqrt(seeds), with seeds - 1 degrees of freedom and the deviation
      of the seeds' differences.
    With crossed items both sources add up, so the true detectable difference may be up to sqrt(2) times as large.

    Raises ValueError unless a and b have the same number of seeds, at least one, and in each seed the same number of
    items, at least two. With `crossed`, all seeds need the same number of items.
    """
    by_seed = _differences(a, b, crossed)
    seed_means = np.array([items.mean() for items in by_seed])
    mean = float(seed_means.mean())
    samples = [np.mean(by_seed, axis=0)] if crossed else by_seed
    generator = np.random.default_rng(seed)
    shifts = np.mean([_item_shifts(items, resamples, generator) for items in samples], axis=0)
    if len(by_seed) > 1:
        shifts = shifts + _seed_shifts(seed_means, _item_variance(by_seed, crossed), resamples, generator)
    low, high = np.clip(mean + np.quantile(shifts, [_LEVEL / 2, 1 - _LEVEL / 2]), -1, 1)
    as_far = int(np.sum(np.abs(shifts) >= abs(mean) - 1e-12))
    return Comparison(
        difference=100 * mean,
        low=100 * float(low),
        high=100 * float(high),
        p=(as_far + 1) / (resamples + 1),
        mcnemar_p=mcnemar(np.concatenate(by_seed) < 0, np.concatenate(by_seed) > 0),
        detectable=100 * _detectable(np.concatenate(samples), seed_means),
        seeds=len(by_seed),
        items=sum(map(len, samples)),
        over="seeds and items" if len(by_seed) > 1 else "items",
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


def _item_shifts(items: NDArray[np.float64], resamples: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """The mean of resampled items minus the mean of all items; shape (resamples,).

    The items have few distinct values. Drawing how often each occurs needs no array of (resamples, items).
    """
    values, counts = np.unique(items, return_counts=True)
    drawn = generator.multinomial(items.size, counts / items.size, size=resamples)
    return drawn @ values / items.size - items.mean()


def _seed_shifts(
    seed_means: NDArray[np.float64], item_variance: float, resamples: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """The shift of the mean over seeds that comes from the choice of seeds alone; shape (resamples,)."""
    seeds = len(seed_means)
    variance = float(seed_means.var(ddof=1))
    if variance <= item_variance:
        return np.zeros(resamples)
    # Resampling makes the variance of the deviations too small by a factor of (seeds - 1) / seeds.
    scale = math.sqrt((1 - item_variance / variance) * seeds / (seeds - 1))
    drawn = generator.choice(seed_means - seed_means.mean(), size=(resamples, seeds)).mean(axis=1)
    student = np.sqrt((seeds - 1) / generator.chisquare(seeds - 1, size=resamples))
    return scale * student * drawn


def _item_variance(by_seed: Sequence[NDArray[np.float64]], crossed: bool) -> float:
    """The variance of a seed's mean that comes from its items alone. With shared items, only the interaction of seed
    and item moves the seeds' means apart."""
    if not crossed:
        return float(np.mean([items.var(ddof=1) / items.size for items in by_seed]))
    d: NDArray[Any] = np.stack(by_seed)
    interaction = d - d.mean(axis=1, keepdims=True) - d.mean(axis=0, keepdims=True) + d.mean()
    seeds, items = d.shape
    return float(np.sum(interaction**2)) / ((seeds - 1) * (items - 1)) / items


def _detectable(items: NDArray[np.float64], seed_means: NDArray[np.float64]) -> float:
    from scipy import stats

    n, seeds = items.size, len(seed_means)
    z = float(stats.norm.ppf(1 - _LEVEL / 2) + stats.norm.ppf(_POWER))
    over_items = max(z * math.sqrt(float(np.mean(items**2)) / n), _FEWEST_DISCORDANT / n)
    if seeds == 1:
        return over_items
    t = float(stats.t.ppf(1 - _LEVEL / 2, seeds - 1) + stats.t.ppf(_POWER, seeds - 1))
    return max(over_items, t * float(seed_means.std(ddof=1)) / math.sqrt(seeds))

"""The statistics of result tables: intervals over seeds, paired comparisons of two methods, correction for many
comparisons, and relative gains as the paper quotes them.

Accuracies and differences are in points (0 to 100) unless a docstring says otherwise. Tests are two-sided, intervals
are at 95%.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

K = TypeVar("K", bound=Hashable)

_LEVEL = 0.05
_POWER = 0.80
_FEWEST_DISCORDANT = 6  # the fewest pairs, all in one direction, whose exact McNemar p (2 / 2**6) is below 5%


class Interval(NamedTuple):
    """A mean over seeds with its sample deviation and 95% interval; all but the mean are None with one seed."""

    mean: float
    deviation: float | None
    low: float | None
    high: float | None


class Comparison(NamedTuple):
    """What `compare` found of a against b."""

    difference: float
    """Accuracy of a minus accuracy of b, in points, each seed weighing the same."""
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
    """Distinct items: those of one test set if every seed has the same, else those of all seeds."""
    over: Literal["items", "seeds and items"]
    """What interval and p generalise to. With one seed, to other items for these two trained models only."""


def interval(values: Sequence[float]) -> Interval:
    """Student's t interval of the mean of `values`, one per seed, in their unit. Raises ValueError for none."""
    if not values:
        raise ValueError("an interval needs the value of at least one seed")
    mean = float(np.mean(values))
    if len(values) == 1:
        return Interval(mean, None, None, None)
    deviation = float(np.std(values, ddof=1))
    half = float(stats.t.ppf(1 - _LEVEL / 2, len(values) - 1)) * deviation / math.sqrt(len(values))
    return Interval(mean, deviation, mean - half, mean + half)


def mcnemar(a_failed: ArrayLike, b_failed: ArrayLike) -> float:
    """Exact p of McNemar's test: of the items that just one of two models failed, does either fail more?

    Both are booleans over the same items in the same order. 1 without such an item. Raises ValueError for unequal
    lengths.
    """
    a, b = np.asarray(a_failed, dtype=bool), np.asarray(b_failed, dtype=bool)
    if a.shape != b.shape:
        raise ValueError(f"McNemar's test needs the same items twice: {a.size} items against {b.size}")
    discordant = int(np.sum(a != b))
    return float(stats.binomtest(int(np.sum(a & ~b)), discordant).pvalue) if discordant else 1.0


def compare(
    a: Sequence[ArrayLike], b: Sequence[ArrayLike], *, crossed: bool, seed: int, resamples: int = 10_000
) -> Comparison:
    """Compares the methods a and b by what they got right: one boolean array per training seed, in the same order.

    In each seed a and b have the same items in the same order. `crossed`: every seed has the same items too (a
    benchmark's test set), so that items are drawn once for all seeds; otherwise each seed has a test set of its own
    (the demo), drawn by itself. `seed` is of the bootstrap's generator.

    The bootstrap has two levels: it draws the seeds' deviations from the mean difference, and the items (a pair
    stays together). The deviations are first brought to the size that they have beyond the noise of the items, which
    would count twice otherwise, and multiplied by Student's factor for their number: plain resampling of three seeds
    covers 75% where 95% is claimed (reflated residuals: Carpenter, Goldstein and Rasbash 2003, Applied Statistics
    52(4)). In simulation this covers 92 to 97% from five seeds on, 90% at worst with three and 85% with two.

    McNemar's p takes every pair for independent. That holds with one seed; with more it speaks of these trained models
    rather than the method, and with crossed items it counts an item once per seed.

    `detectable` is the larger of two, and not below six items in one direction, the fewest with which McNemar's test
    reaches 5%:
    - over items, (z(0.975) + z(0.8)) * rms / sqrt(items), where rms is the root mean square of an item's difference,
      averaged over seeds if crossed. With one seed rms**2 is the share of discordant pairs.
    - over seeds, (t(0.975) + t(0.8)) * deviation / sqrt(seeds), with seeds - 1 degrees of freedom and the deviation
      of the seeds' differences.
    With crossed items both sources add up, so what is truly detectable may be up to sqrt(2) times as large.

    Raises ValueError unless a and b have as many seeds, at least one, and as many items in each, at least two, and for
    `crossed` as many in all.
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
    """The p values of a family of comparisons, adjusted by Holm's method, under their keys in their order."""
    ascending = sorted(p_values, key=lambda key: p_values[key])
    adjusted: dict[K, float] = {}
    largest = 0.0
    for i, key in enumerate(ascending):
        largest = max(largest, (len(ascending) - i) * p_values[key])
        adjusted[key] = min(1.0, largest)
    return {key: adjusted[key] for key in p_values}


def relative_gain(new: float, old: float) -> float:
    """How much higher accuracy `new` is than accuracy `old`, in percent of `old`.

    So are the averages of sections 1 and 3.3 best read: the mean over datasets of each one's relative gain. The paper
    does not give the formula. At 1000 samples HellaSwag rises by 27.0 points, yet the average over the four datasets
    is +32.0, so in points the other three would rise by 33.7 on average, more than the one singled out and more than
    GSM8K's whole accuracy with 600 samples.
    Raises ValueError when `old` is not above 0.
    """
    if old <= 0:
        raise ValueError(f"a relative gain needs an accuracy above 0 to start from, not {old}")
    return 100 * (new - old) / old


def _differences(a: Sequence[ArrayLike], b: Sequence[ArrayLike], crossed: bool) -> list[NDArray[np.float64]]:
    """Per seed and item: 1 where only a is right, -1 where only b is, else 0."""
    if len(a) != len(b) or not a:
        raise ValueError(f"a comparison needs the same seeds twice, at least one: {len(a)} against {len(b)}")
    pairs = [(np.asarray(x, dtype=bool), np.asarray(y, dtype=bool)) for x, y in zip(a, b, strict=True)]
    for i, (x, y) in enumerate(pairs):
        if x.shape != y.shape or x.size < 2:
            raise ValueError(f"seed number {i + 1}: needs the same items twice, at least 2: {x.size} against {y.size}")
    sizes = [x.size for x, _ in pairs]
    if crossed and len(set(sizes)) > 1:
        raise ValueError(f"crossed: every seed needs the same items, but their numbers are {sizes}")
    return [x.astype(np.float64) - y for x, y in pairs]


def _item_shifts(items: NDArray[np.float64], resamples: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """How far the mean of resampled items lies from theirs; shape (resamples,).

    Resampling n items is drawing how often each of the few distinct values comes, which needs no (resamples, n) array.
    """
    values, counts = np.unique(items, return_counts=True)
    drawn = generator.multinomial(items.size, counts / items.size, size=resamples)
    return drawn @ values / items.size - items.mean()


def _seed_shifts(
    seed_means: NDArray[np.float64], item_variance: float, resamples: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """How far the mean over seeds lies from theirs by the choice of seeds alone; shape (resamples,)."""
    seeds = len(seed_means)
    variance = float(seed_means.var(ddof=1))
    if variance <= item_variance:
        return np.zeros(resamples)
    # Resampled deviations are too small by (seeds - 1) / seeds in their variance.
    scale = math.sqrt((1 - item_variance / variance) * seeds / (seeds - 1))
    drawn = generator.choice(seed_means - seed_means.mean(), size=(resamples, seeds)).mean(axis=1)
    student = np.sqrt((seeds - 1) / generator.chisquare(seeds - 1, size=resamples))
    return scale * student * drawn


def _item_variance(by_seed: Sequence[NDArray[np.float64]], crossed: bool) -> float:
    """The variance of a seed's mean that comes from its items alone. Where all seeds share the items, only the
    interaction of seed and item moves one seed's mean against another's."""
    if not crossed:
        return float(np.mean([items.var(ddof=1) / items.size for items in by_seed]))
    d: NDArray[Any] = np.stack(by_seed)
    interaction = d - d.mean(axis=1, keepdims=True) - d.mean(axis=0, keepdims=True) + d.mean()
    seeds, items = d.shape
    return float(np.sum(interaction**2)) / ((seeds - 1) * (items - 1)) / items


def _detectable(items: NDArray[np.float64], seed_means: NDArray[np.float64]) -> float:
    n, seeds = items.size, len(seed_means)
    z = float(stats.norm.ppf(1 - _LEVEL / 2) + stats.norm.ppf(_POWER))
    over_items = max(z * math.sqrt(float(np.mean(items**2)) / n), _FEWEST_DISCORDANT / n)
    if seeds == 1:
        return over_items
    t = float(stats.t.ppf(1 - _LEVEL / 2, seeds - 1) + stats.t.ppf(_POWER, seeds - 1))
    return max(over_items, t * float(seed_means.std(ddof=1)) / math.sqrt(seeds))

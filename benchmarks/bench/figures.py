"""What is read from the measurements: medians with their spread, ratios, noise, intervals, and what was to hold."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from scipy.stats import binomtest

Result = Mapping[str, Any]  # of one measurement, as `training.train` or `generation.generate` gives it


class Spread(NamedTuple):
    """A median over the repeats, with the least and the most."""

    median: float
    low: float
    high: float

    def show(self, digits: int = 0) -> str:
        return f"{self.median:.{digits}f} ({self.low:.{digits}f}–{self.high:.{digits}f})"


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


class Claim(NamedTuple):
    """Something that issue and documentation promise."""

    text: str
    found: str
    holds: bool | None  # None: not measured here


def at_least(text: str, over: Sequence[float], under: Sequence[float], target: float) -> Claim:
    """That the median of `over` is `target` times that of `under`. The spread is that of the repeats' own ratios."""
    ratio = statistics.median(over) / statistics.median(under)
    each = [a / b for a, b in zip(over, under, strict=True)]
    return Claim(text, f"{ratio:.2f} ({min(each):.2f}–{max(each):.2f})", ratio >= target)


def not_measured(text: str, why: str) -> Claim:
    return Claim(text, why, None)


def rate(result: Result) -> float:
    """Tokens per CPU second, without padding."""
    return result["real" if "real" in result else "tokens"] / result["cpu"]


def part_of_curve(result: Result, part: slice) -> float:
    """The mean loss of a token over a part of the steps."""
    steps = result["losses"][part]
    return sum(loss * labels for loss, labels in steps) / sum(labels for _, labels in steps)


def thirds(result: Result) -> tuple[float, float]:
    """The mean loss over the first and the last third of the steps."""
    third = max(1, len(result["losses"]) // 3)
    return part_of_curve(result, slice(0, third)), part_of_curve(result, slice(-third, None))


def noise(by_way: Mapping[str, Sequence[float]]) -> float:
    """How far apart repeats of one program lie that differ in the seed alone: the most over the programs."""
    return max(max(values) - min(values) for values in by_way.values())


def furthest(by_way: Mapping[str, Sequence[float]], ours: str) -> float:
    """The greatest distance of a program's median from that of `ours`."""
    mine = statistics.median(by_way[ours])
    return max(abs(statistics.median(values) - mine) for values in by_way.values())


def accuracy(failed: Sequence[bool]) -> tuple[float, float, float]:
    """Accuracy in percent, with Wilson's 95% interval."""
    right = sum(not f for f in failed)
    interval = binomtest(right, len(failed)).proportion_ci(method="wilson")
    return 100 * right / len(failed), 100 * interval.low, 100 * interval.high


def equal(a: Result, b: Result) -> int:
    """How many replies of two programs are the same."""
    return sum(x == y for x, y in zip(a["replies"], b["replies"], strict=True))

"""The kinds of problem in the demo: their solutions, numbers and frequency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Kind:
    """One kind of problem.

    `steps` are worked in order. A step is `left operator right`; a side is a number's name, or `_` for the
    result of the previous step. `results` bounds the result of every step.
    """

    name: str
    rare: bool
    steps: tuple[str, ...]
    numbers: Mapping[str, Sequence[int]] = field(hash=False)
    results: range
    large: bool = False  # arithmetic too hard for so small a student: the source of training errors
    absent: bool = False  # rare, and not in training unless asked for


SMALL = range(2, 31)
TIMES = range(2, 10)
TO_42 = range(2, 43)
TO_72 = range(2, 73)
MONTH = range(1, 29)
ADD = {"a": SMALL, "b": SMALL}
TAKE = {"a": range(4, 43), "b": SMALL}

KINDS = (
    Kind("gain", False, ("a + b",), ADD, TO_42),
    Kind("loss", False, ("a - b",), TAKE, TO_42),
    Kind("difference", False, ("a - b",), TAKE, TO_42),
    Kind("total", False, ("a + b",), ADD, TO_42),
    Kind("equal_groups", False, ("a * b",), {"a": TIMES, "b": TIMES}, TO_72),
    Kind("sharing", False, ("a / b",), {"a": TO_72, "b": TIMES}, TIMES),
    Kind("days_later", False, ("a + b",), {"a": MONTH, "b": range(2, 21)}, MONTH),
    Kind("large_to_small", False, ("a * ratio",), {"a": range(2, 25)}, TO_72),
    Kind("more_than", False, ("a + b",), ADD, TO_42),
    Kind("part_of_whole", False, ("a - b",), TAKE, TO_42),
    Kind("large_sum", False, ("a + b",), {"a": range(30, 100), "b": range(30, 100)}, range(60, 200), large=True),
    Kind("large_difference", False, ("a - b",), {"a": range(60, 200), "b": range(20, 100)}, range(10, 150), large=True),
    Kind("reversed_more", True, ("a - b",), TAKE, TO_42, absent=True),
    Kind("reversed_fewer", True, ("a + b",), ADD, TO_42),
    Kind("start_before_loss", True, ("a + b",), ADD, TO_42),
    Kind("start_before_gain", True, ("a - b",), TAKE, TO_42, absent=True),
    Kind("irrelevant_number", True, ("a + b",), {**ADD, "c": SMALL}, TO_42),
    Kind("change", True, ("a - b",), {"a": (10, 20, 30, 40), "b": SMALL}, TO_42, absent=True),
    Kind("days_before", True, ("a - b",), {"a": MONTH, "b": range(2, 21)}, MONTH),
    Kind("small_to_large", True, ("a / ratio",), {"a": TO_72}, range(2, 25), absent=True),
    Kind("gain_then_loss", True, ("a + b", "_ - c"), {**ADD, "c": SMALL}, TO_42, absent=True),
    Kind("comparison_then_total", True, ("a + b", "a + _"), ADD, TO_42),
)
BY_NAME = {kind.name: kind for kind in KINDS}


def work(kind: Kind, numbers: Mapping[str, int]) -> tuple[str, int] | None:
    """The steps as text (`12 + 5 = 17. 17 - 4 = 13`) and the answer; None if a result is not whole
    or out of the kind's bounds."""
    text = []
    result = 0
    for step in kind.steps:
        left_name, operator, right_name = step.split()
        left, right = (result if name == "_" else numbers[name] for name in (left_name, right_name))
        if operator == "+":
            result = left + right
        elif operator == "-":
            result = left - right
        elif operator == "*":
            result = left * right
        else:
            result, rest = divmod(left, right)
            if rest:
                return None
        if result not in kind.results:
            return None
        text.append(f"{left} {operator} {right} = {result}")
    return ". ".join(text), result

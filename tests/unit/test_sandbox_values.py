"""The messages between a program and its tests: every value comes back as it was, type and all."""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pada_ray.sandbox.inside.values import MAX_MESSAGE, Values


def some(items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(items, max_size=3)


KEYS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(60, 20_000).map(lambda bits: -(2**bits)),  # up to more digits than Python reads
    st.floats(),
    st.complex_numbers(),
    st.text(st.characters(exclude_categories=())),
    st.binary(),
    st.decimals(allow_nan=False),
    st.fractions(),
    st.datetimes(),
    st.dates(),
    st.timedeltas(),
    st.builds(range, st.integers(), st.integers(), st.integers(1, 9)),
)
HASHABLE = st.recursive(
    KEYS, lambda inner: st.one_of(some(inner).map(tuple), st.frozensets(inner, max_size=3)), max_leaves=9
)
VALUES = st.recursive(
    st.one_of(HASHABLE, st.binary().map(bytearray)),
    lambda inner: st.one_of(
        some(inner),
        some(inner).map(tuple),
        st.sets(HASHABLE, max_size=3),
        st.dictionaries(HASHABLE, inner, max_size=3),
        st.dictionaries(HASHABLE, inner, max_size=3).map(collections.OrderedDict),
        some(inner).map(lambda items: collections.deque(items, 20)),
    ),
    max_leaves=9,
)


def passed_on(value: object) -> object:
    return Values({}).read(Values({}).write(value))


def shape(value: object) -> object:
    """Types and values, with NaN as equal to itself and sets in an order."""
    kind = type(value)
    if kind is float:
        return kind, str(value), math.isnan(value) or math.copysign(1, value)
    if kind is complex:
        return kind, shape(value.real), shape(value.imag)
    if kind in (list, tuple, collections.deque):
        return kind, [shape(item) for item in value]
    if kind in (set, frozenset):
        return kind, sorted((shape(item) for item in value), key=repr)
    if kind in (dict, collections.OrderedDict):
        return kind, [(shape(key), shape(item)) for key, item in value.items()]
    if kind is int:
        return kind, hex(value)
    return kind, str(value) if kind in (decimal.Decimal, range) else value


@settings(max_examples=50)
@given(VALUES)
def test_a_value_is_passed_on_with_its_type_and_every_bit(value):
    assert shape(passed_on(value)) == shape(value)


def test_what_tests_compare_keeps_its_type():
    point = collections.namedtuple("Point", "x y")(1, [2])
    found = passed_on(
        [point, collections.Counter("aab"), datetime.time(1, 2), KeyError("a", 1), int, max, UnicodeError]
    )
    assert (found[0].x, found[0].y, type(found[0]).__name__) == (1, [2], "Point")
    assert (found[1], type(found[1])) == (collections.Counter("aab"), collections.Counter)
    assert found[2:3] + found[4:] == [datetime.time(1, 2), int, max, UnicodeError]
    assert (type(found[3]), found[3].args) == (KeyError, ("a", 1))
    assert passed_on(fractions.Fraction(1, 3)) == fractions.Fraction(1, 3)


def test_a_value_that_stands_twice_is_one():
    row = [0]
    first, second = passed_on([row, row])
    assert first is second


def test_a_message_is_flat_json_of_ascii():
    written = Values({}).write([(1, 2), {"a": 1.5}, "é\ud800"])
    nodes = json.loads(written.decode("ascii"))
    assert nodes[:3] == [1, 2, ["tuple", 0, 1]]
    assert all(not isinstance(part, list | dict) for node in nodes if isinstance(node, list) for part in node)


def test_what_has_no_message():
    loop: list[object] = []
    loop.append({1: loop})
    with pytest.raises(ValueError, match="holds itself"):
        Values({}).write(loop)
    with pytest.raises(ValueError, match="more than 32 MiB"):
        Values({}).write("x" * MAX_MESSAGE)
    deep: list[object] = []
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(RecursionError):
        Values({}).write(deep)


def test_a_deep_message_is_read_without_recursion():
    nodes = [["list"], *(["list", i] for i in range(50_000))]
    value = Values({}).read(json.dumps(nodes, separators=(",", ":")).encode())
    depth = 0
    while value:
        (value,) = value
        depth += 1
    assert depth == 50_000

"""What passes between the two processes: plain values as copies, every other object as a number.

The reader trusts nothing. It lets pickle build plain Python values but no class. The other types that it
knows by name (`Decimal`, `deque`, exceptions, ...) it builds itself from plain values. So the `==` of a value
is always Python's and never the other side's.
"""

from __future__ import annotations

import builtins
import importlib
import io
import types
from _pickle import Pickler, Unpickler  # `pickle` also imports `re`, a quarter of the start time

TYPE_CHECKING = False  # as in `typing`, whose import would take a third of the start time
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_PLAIN: tuple[Callable[[Any], object], ...] = (int, float, str, bytes, bytearray, tuple, list, dict, set, frozenset)
_EXACTLY_PLAIN = frozenset([type(None), bool, *_PLAIN])
# (module, name) of a type: the arguments of its constructor.
_STANDARD: dict[tuple[str, str], Callable[[Any], tuple[object, ...]]] = {
    ("builtins", "complex"): lambda v: (v.real, v.imag),
    ("builtins", "range"): lambda v: (v.start, v.stop, v.step),
    ("collections", "Counter"): lambda v: (dict(v),),
    ("collections", "OrderedDict"): lambda v: (list(v.items()),),
    ("collections", "deque"): lambda v: (list(v), v.maxlen),
    ("decimal", "Decimal"): lambda v: (str(v),),
    ("fractions", "Fraction"): lambda v: (v.numerator, v.denominator),
    ("datetime", "date"): lambda v: (v.year, v.month, v.day),
    ("datetime", "time"): lambda v: (v.hour, v.minute, v.second, v.microsecond),
    ("datetime", "datetime"): lambda v: (v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond),
    ("datetime", "timedelta"): lambda v: (v.days, v.seconds, v.microseconds),
}


class Values:
    """One side's writer and reader, with the objects that both sides know by number.

    Args:
        make: for "object" and "coroutine", makes the stand-in for the other side's object of a number.
    """

    def __init__(self, make: dict[str, Callable[[int], object]]):
        self._make = make
        self._own: list[Any] = []  # kept for good, so that Python reuses no id
        self._own_number: dict[int, int] = {}
        self._other: dict[int, object] = {}
        self._other_number: dict[int, int] = {}

    def is_own(self, value: object) -> bool:
        """Whether the other side got this object by number."""
        return id(value) in self._own_number

    def own(self, number: int) -> Any:
        return self._own[number]

    def write(self, value: object) -> bytes:
        buffer = io.BytesIO()
        _Writer(buffer, self._describe).dump(value)
        return buffer.getvalue()

    def read(self, data: bytes) -> Any:
        """Reverses the other side's `write`. Any other bytes may raise any error."""
        return _Reader(io.BytesIO(data), self._build).load()

    def _describe(self, value: Any) -> tuple[object, ...] | None:
        kind = type(value)
        if kind in _EXACTLY_PLAIN:
            return None
        if id(value) in self._other_number:
            return "yours", self._other_number[id(value)]
        name = (kind.__module__, kind.__qualname__)
        if name in _STANDARD and getattr(value, "tzinfo", None) is None:
            return "standard", name, _STANDARD[name](value)
        if name == ("numpy", "ndarray"):
            return "array", value.tolist()
        if kind.__module__ == "numpy" and hasattr(value, "tolist"):
            return "plain", value.tolist()
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            return "namedtuple", kind.__name__, tuple(kind._fields), tuple(value)
        for plain in _PLAIN:
            if plain in kind.__mro__:
                return "plain", plain(value)
        if isinstance(value, BaseException):
            return "exception", kind, tuple(value.args)
        if isinstance(value, type) and _is_builtin(value):
            return "type", value.__name__
        return self._describe_own(value)

    def _describe_own(self, value: Any) -> tuple[object, ...]:
        number = self._own_number.setdefault(id(value), len(self._own))
        if number == len(self._own):
            self._own.append(value)
        if isinstance(value, types.ModuleType) and value.__spec__ is not None:
            return "module", number, value.__name__
        if isinstance(value, type) and issubclass(value, BaseException):
            return "exception type", number, value.__name__, next(kind for kind in value.__mro__ if _is_builtin(kind))
        return "mine", number, "coroutine" if isinstance(value, types.CoroutineType) else "object"

    def _build(self, description: Any) -> object:
        what, *rest = description
        if what in ("mine", "module", "exception type"):
            if rest[0] not in self._other:
                self._other[rest[0]] = other = self._stand_in(what, *rest)
                self._other_number[id(other)] = rest[0]
            return self._other[rest[0]]
        return self._own[rest[0]] if what == "yours" else _rebuild(what, *rest)

    def _stand_in(self, what: str, number: int, name: str, base: type = BaseException) -> object:
        """What stands for an object of the other side."""
        if what == "exception type":
            return type(name, (_exception(base),), {})
        if what == "module":
            try:
                return importlib.import_module(name)
            except ImportError:
                name = "object"
        return self._make[name](number)


class _Writer(Pickler):
    def __init__(self, buffer: io.BytesIO, describe: Callable[[Any], object]):
        super().__init__(buffer, 5)
        self._describe = describe

    def persistent_id(self, value: Any) -> object:
        return self._describe(value)


class _Reader(Unpickler):
    def __init__(self, buffer: io.BytesIO, build: Callable[[object], object]):
        super().__init__(buffer)
        self._build = build

    def persistent_load(self, description: object) -> object:
        return self._build(description)

    def find_class(self, module: str, name: str, /) -> Any:
        raise ValueError(f"a message may name no class, not {module}.{name} either")


def _rebuild(what: str, *given: Any) -> object:
    """A value from its description, whose parts are plain or rebuilt already."""
    if what == "standard":
        (module, name), arguments = given
        if (module, name) not in _STANDARD:
            raise ValueError(f"no standard type: {module}.{name}")
        return getattr(importlib.import_module(module), name)(*arguments)
    if what == "array":
        return importlib.import_module("numpy").array(*given)
    if what == "namedtuple":
        name, fields, values = given
        return importlib.import_module("collections").namedtuple(name, fields)(*values)
    if what == "exception":
        kind, arguments = given
        return kind.__new__(_exception(kind), *arguments)
    if what == "type":
        return {kind.__name__: kind for kind in vars(builtins).values() if isinstance(kind, type)}[given[0]]
    (value,) = given
    return value


def _exception(kind: type) -> type[BaseException]:
    if not issubclass(kind, BaseException):
        raise TypeError(f"no exception: {kind}")
    return kind


def _is_builtin(kind: type) -> bool:
    return kind is getattr(builtins, kind.__name__, None)

"""What passes between the two processes: JSON that either side builds into values by itself.

A message is one JSON list of nodes, each a value. A node is null, true, false, a number, a text, or a list of a kind
and what it is made of: a text for "int", "float" and the like, else the positions of nodes before it. So a message is
flat however deep its value is, and holds no cycle. Its last node is the value itself:

    [1, 2, ["tuple", 0, 1], "a", ["float", "0x1.8p+0"], ["dict", 3, 4], ["list", 2, 5]]    # [(1, 2), {"a": 1.5}]

The reader trusts nothing. It knows every kind by name and builds it from parts that it has built itself, so a value's
`==` is always Python's and never the other side's. Every other object crosses as a number.
"""

from __future__ import annotations

import builtins
import importlib
import types
from _json import encode_basestring_ascii as quoted  # `json` also imports `re`, a third of the start time
from _json import make_scanner

TYPE_CHECKING = False  # as in `typing`, whose import would take a third of the start time
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

MAX_MESSAGE = 32 * 2**20  # bytes
_SCALARS = frozenset([types.NoneType, bool, int, str])
_SMALL = 2**63
_WRITTEN: dict[type, Callable[[Any], str]] = {
    types.NoneType: lambda v: "null",
    bool: lambda v: "true" if v else "false",
    # Python refuses to read or write many decimal digits.
    int: lambda v: str(v) if -_SMALL < v < _SMALL else f'["int","{v:x}"]',
    str: quoted,
    float: lambda v: f'["float","{v.hex()}"]',
    bytes: lambda v: f'["bytes","{v.hex()}"]',
    bytearray: lambda v: f'["bytearray","{v.hex()}"]',
}
_NUMBERS = frozenset([types.NoneType, bool, int, float])
_READ: dict[str, Callable[[str], object]] = {
    "int": lambda text: int(text, 16),
    "float": float.fromhex,
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
}
_CONTAINERS: dict[str, Callable[[Sequence[Any]], object]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": lambda parts: dict(zip(parts[::2], parts[1::2], strict=True)),
}
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
_PLAIN: tuple[Callable[[Any], object], ...] = (int, float, str, bytes, bytearray, tuple, list, dict, set, frozenset)
# Functions that only compute: each side uses its own.
# fmt: off
_FUNCTIONS = [
    "abs", "all", "any", "ascii", "bin", "callable", "chr", "divmod", "format", "hash", "hex", "len", "max", "min",
    "oct", "ord", "pow", "print", "repr", "round", "sorted", "sum",
]
_COMPUTING = {name: getattr(builtins, name) for name in _FUNCTIONS}
# Modules that each side imports itself, because nothing in them equals everything or runs what it is given.
_MODULES = frozenset([
    "array", "base64", "binascii", "bisect", "calendar", "cmath", "collections", "collections.abc", "copy",
    "datetime", "decimal", "enum", "fractions", "functools", "hashlib", "heapq", "itertools", "json", "math",
    "numbers", "numpy", "operator", "random", "re", "statistics", "string", "struct", "textwrap", "time", "typing",
    "unicodedata",
])
# fmt: on


class _Syntax:
    """JSON as a message uses it: what stands for no node is refused as soon as it is read."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_int = int

    @staticmethod
    def parse_float(text: str) -> object:
        raise ValueError(f"no node: {text}")

    parse_constant = parse_float


_scan = make_scanner(_Syntax())  # type: ignore[arg-type]  # typeshed names no type for what it takes


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
        """The message. Raises ValueError if it would be too long, or if a value holds itself."""
        writer = _Writer(self._describe)
        writer.place(value)
        message = f"[{','.join(writer.nodes)}]".encode()
        if len(message) > MAX_MESSAGE:
            raise ValueError(f"a value of more than {MAX_MESSAGE // 2**20} MiB cannot be passed on")
        return message

    def read(self, message: bytes) -> Any:
        """Reverses the other side's `write`. Any other bytes may raise any error."""
        try:
            nodes, end = _scan(message.decode("ascii"), 0)
        except StopIteration:
            raise ValueError("no JSON") from None
        if type(nodes) is not list or end != len(message):
            raise ValueError("no list of nodes")
        made: list[object] = []
        for node in nodes:
            made.append(node if type(node) in _SCALARS else self._read(node, made))
        return made[-1]

    def _read(self, node: object, made: list[object]) -> object:
        if type(node) is not list:
            raise ValueError("no node")
        kind, *rest = node
        if kind in _READ:
            return _READ[kind](*rest)
        if rest and (set(map(type, rest)) != {int} or min(rest) < 0):
            raise ValueError("no positions")
        return self._build(kind, [made[at] for at in rest])

    def _describe(self, value: Any) -> tuple[str, Sequence[object]]:
        """Of what is no scalar: its kind and its parts."""
        kind = type(value)
        if kind.__name__ in _CONTAINERS and _is_builtin(kind):
            return kind.__name__, [part for item in value.items() for part in item] if kind is dict else list(value)
        if id(value) in self._other_number:
            return "yours", (self._other_number[id(value)],)
        name = (kind.__module__, kind.__qualname__)
        if name in _STANDARD and getattr(value, "tzinfo", None) is None:
            return "standard", (*name, *_STANDARD[name](value))
        if name == ("numpy", "ndarray"):
            return "array", (value.tolist(),)
        if kind.__module__ == "numpy" and hasattr(value, "tolist"):
            return "plain", (value.tolist(),)
        if isinstance(value, tuple) and hasattr(kind, "_fields"):
            return "namedtuple", (kind.__name__, tuple(kind._fields), tuple(value))
        for plain in _PLAIN:
            if plain in kind.__mro__:
                return "plain", (plain(value),)
        if isinstance(value, BaseException):
            return "exception", (kind, *value.args)
        if isinstance(value, type) and _is_builtin(value):
            return "type", (value.__name__,)
        if kind is types.BuiltinFunctionType and any(value is each for each in _COMPUTING.values()):
            return "function", (value.__name__,)
        return self._describe_own(value)

    def _describe_own(self, value: Any) -> tuple[str, Sequence[object]]:
        number = self._own_number.setdefault(id(value), len(self._own))
        if number == len(self._own):
            self._own.append(value)
        if isinstance(value, types.ModuleType) and value.__spec__ is not None:
            return "module", (number, value.__name__)
        if isinstance(value, type) and issubclass(value, BaseException):
            base = next(kind for kind in value.__mro__ if _is_builtin(kind))
            return "exception type", (number, value.__name__, base)
        return "mine", (number, "coroutine" if isinstance(value, types.CoroutineType) else "object")

    def _build(self, kind: str, parts: list[Any]) -> object:
        if kind in _CONTAINERS:
            return _CONTAINERS[kind](parts)
        if kind in ("mine", "module", "exception type"):
            number = _number(parts[0])
            if number not in self._other:
                self._other[number] = other = self._stand_in(kind, *parts)
                self._other_number[id(other)] = number
            return self._other[number]
        return self._own[_number(*parts)] if kind == "yours" else _rebuild(kind, *parts)

    def _stand_in(self, kind: str, number: int, name: str, base: type = BaseException) -> object:
        """What stands for an object of the other side."""
        if kind == "exception type":
            return type(name, (_exception(base),), {})
        if kind == "module":
            if name in _MODULES:
                return importlib.import_module(name)
            name = "object"
        return self._make[name](number)


class _Writer:
    """The nodes of one message. A value that is met again is written once, but for numbers, which are as short."""

    def __init__(self, describe: Callable[[Any], tuple[str, Sequence[object]]]):
        self.nodes: list[str] = []
        self._describe = describe
        self._places: dict[int, int] = {}  # by id; -1 while its parts are being written
        self._kept: list[object] = []  # so that Python reuses no id

    def place(self, value: Any) -> int:
        """The position of the value's node, which this writes unless it has been written."""
        if type(value) in _NUMBERS:
            self.nodes.append(_WRITTEN[type(value)](value))
            return len(self.nodes) - 1
        if id(value) not in self._places:
            self._kept.append(value)
            self._places[id(value)] = -1
            node = _WRITTEN[type(value)](value) if type(value) in _WRITTEN else self._of_parts(value)
            self._places[id(value)] = len(self.nodes)
            self.nodes.append(node)
        if self._places[id(value)] < 0:
            raise ValueError("a value that holds itself cannot be passed on")
        return self._places[id(value)]

    def _of_parts(self, value: Any) -> str:
        kind, parts = self._describe(value)
        return f"[{','.join([quoted(kind), *map(str, map(self.place, parts))])}]"


def _rebuild(kind: str, *parts: Any) -> object:
    """A value of its own from its parts."""
    if kind == "standard":
        module, name, *arguments = parts
        if (module, name) not in _STANDARD:
            raise ValueError(f"no standard type: {module}.{name}")
        return getattr(importlib.import_module(module), name)(*arguments)
    if kind == "array":
        return importlib.import_module("numpy").array(*parts)
    if kind == "namedtuple":
        name, fields, values = parts
        return importlib.import_module("collections").namedtuple(name, fields)(*values)
    if kind == "exception":
        error, *arguments = parts
        return _exception(error)(*arguments)
    if kind == "type":
        return {each.__name__: each for each in vars(builtins).values() if isinstance(each, type)}[parts[0]]
    if kind == "function":
        return _COMPUTING[parts[0]]
    if kind != "plain":
        raise ValueError(f"no kind: {kind}")
    (value,) = parts
    return value


def _number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("no number of an object")
    return value


def _exception(kind: type) -> type[BaseException]:
    if not issubclass(kind, BaseException):
        raise TypeError(f"no exception: {kind}")
    return kind


def _is_builtin(kind: type) -> bool:
    return kind is getattr(builtins, kind.__name__, None)

"""Stands for an object of the other process."""

from __future__ import annotations

TYPE_CHECKING = False  # as in `typing`, whose import would take a third of the start time
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


class Proxy:
    """Passes on what a test does with an object, except comparisons and arithmetic.

    With those, the tested code could decide what its own results are equal to. So `==` is identity here, and
    other operators raise TypeError. Calls, attributes and items return copies.
    """

    __slots__ = ("__ask",)

    def __init__(self, ask: Callable[..., Any]):
        object.__setattr__(self, "_Proxy__ask", ask)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__ask("call", self, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__name__":
            raise AttributeError(name)
        return self.__ask("get", self, name)

    def __setattr__(self, name: str, value: object) -> None:
        self.__ask("set", self, name, value)

    def __getitem__(self, key: object) -> Any:
        return self.__ask("item", self, key)

    def __iter__(self) -> Iterator[Any]:
        return self.__ask("iter", self)

    def __next__(self) -> Any:
        return self.__ask("next", self)

    def __len__(self) -> int:
        return self.__ask("len", self)

    def __bool__(self) -> bool:
        return self.__ask("bool", self)

    def __str__(self) -> str:
        return self.__ask("str", self)

    def __repr__(self) -> str:
        return self.__ask("repr", self)

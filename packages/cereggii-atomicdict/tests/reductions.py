# SPDX-License-Identifier: Apache-2.0
"""The functions that the special forms of reduce are documented to be, and inputs for them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import pytest
from cereggii_atomicdict import NOT_FOUND

Combine: TypeAlias = Callable[[Any, Any, Any], Any]
Pairs: TypeAlias = Iterable[tuple[Any, Any]]
Call: TypeAlias = Callable[[Any, Pairs], Any]

TABLE = 4096  # keys that meet in the calling thread before the dict sees them
TOGETHER = 64  # of those that leave this table, so many go into the dict at a time


def add(_key: Any, current: Any, value: Any) -> Any:
    return value if current is NOT_FOUND else current + value


def all_true(_key: Any, current: Any, value: Any) -> Any:
    return bool(value) if current is NOT_FOUND else current and bool(value)


def any_true(_key: Any, current: Any, value: Any) -> Any:
    return bool(value) if current is NOT_FOUND else current or bool(value)


def largest(_key: Any, current: Any, value: Any) -> Any:
    return value if current is NOT_FOUND else max(value, current)


def smallest(_key: Any, current: Any, value: Any) -> Any:
    return value if current is NOT_FOUND else min(value, current)


def to_list(value: Any) -> list[Any]:
    return value if type(value) is list else [value]


def collect(_key: Any, current: Any, value: Any) -> Any:
    return [*([] if current is NOT_FOUND else to_list(current)), *to_list(value)]


FUNCTIONS: dict[str, Combine] = {
    "reduce_sum": add,
    "reduce_and": all_true,
    "reduce_or": any_true,
    "reduce_max": largest,
    "reduce_min": smallest,
    "reduce_list": collect,
}
every_function = pytest.mark.parametrize("name", FUNCTIONS)

# Each by its own name, and as reduce with its function.
CALLS: dict[str, tuple[Callable[[Any, Pairs], Any], Combine]] = {
    name: (lambda d, pairs, name=name: getattr(d, name)(pairs), function)  # type: ignore[misc]
    for name, function in FUNCTIONS.items()
}
CALLS |= {
    f"reduce as {name}": (
        lambda d, pairs, function=function: d.reduce(pairs, function),  # type: ignore[misc]
        function,
    )
    for name, function in FUNCTIONS.items()
}
every_call = pytest.mark.parametrize(("call", "function"), CALLS.values(), ids=CALLS)


def reduced(function: Combine, pairs: Pairs, initial: Mapping[Any, Any] | None = None) -> Any:
    """The items of a dict after a loop has combined all pairs, one after the other."""
    found = dict(initial or {})
    for key, value in pairs:
        found[key] = function(key, found.get(key, NOT_FOUND), value)
    return found


def skewed(choose: random.Random, keys: int) -> int:
    """One of as many numbers: the smaller, the more often."""
    return min(int(choose.paretovariate(0.6)) - 1, choose.randrange(keys))


class Source:
    """An iterable that counts what is taken from it, and says that it is as long as it likes."""

    def __init__(self, items: Iterable[Any], hint: int = 0) -> None:
        self._items = iter(items)
        self._hint = hint
        self.taken = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        item = next(self._items)
        self.taken += 1
        return item

    def __length_hint__(self) -> int:
        return self._hint


# ── failures ───────────────────────────────────────────────────────────────────────────────────


def not_reduced(error: BaseException) -> Any:
    """The pairs that are missing in the dict; None if all are there."""
    return getattr(error, "not_reduced", None)


class Broken(Exception):  # noqa: N818 - no error of anybody's
    pass


def fail(*_: Any) -> Any:
    raise Broken


class Unsociable:
    """Cannot be combined with anything: raises another exception each time."""

    def __init__(self) -> None:
        self.raised: list[BaseException] = []

    def refuse(self, *_: Any) -> Any:
        self.raised.append(Broken(len(self.raised)))
        raise self.raised[-1]

    __bool__ = __add__ = __gt__ = __lt__ = refuse

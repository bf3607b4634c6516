# SPDX-License-Identifier: Apache-2.0
"""The steps of sets that are compared with a builtin set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tools.fuzz.arguments import FuzzError, Step
from tools.testing.models import IN_PLACE, PLAIN

_SET_OPERATORS = ("|", "&", "-", "^")


def _raising(first: int, count: int) -> Iterator[int]:
    yield from range(first, first + count)
    raise FuzzError


def _range_of_kind(kind: int, first: int, count: int) -> Any:
    """The same numbers as a set of another kind each time, or as what is not a set."""
    numbers = range(first, first + count)
    return (set, frozenset, list, dict.fromkeys, lambda each: dict.fromkeys(each).keys())[kind % 5](
        numbers
    )


def _combine_sets(shared: Any, symbol: str, kind: int, first: int, count: int) -> Any:
    """An operator with the set on either side, and whether it is a subset of the other one."""
    other: Any = _range_of_kind(kind, first, count)
    apply = PLAIN[symbol if symbol in _SET_OPERATORS else "|"]
    return {*apply(shared, other)}, {*apply(other, shared)}, shared <= other, shared >= other


def _change_set(shared: Any, symbol: str, kind: int, first: int, count: int) -> None:
    change = IN_PLACE[symbol if symbol[:-1] in _SET_OPERATORS else "|="]
    # No view: with one, an in-place operator of a builtin set returns another object.
    if change(shared, _range_of_kind(kind % 4, first, count)) is not shared:
        raise AssertionError(f"{symbol} has returned another object")


def _by_iterable(name: str) -> Step:
    def call(shared: Any, kind: int, first: int, count: int) -> Any:
        found = getattr(shared, name)(_range_of_kind(kind, first, count))
        return {*found} if hasattr(found, "__iter__") else found

    return Step(call, ("tiny", "first", "many"), is_atomic=False)


SET = {
    "add": Step(lambda s, key: s.add(key), ("key",)),
    "discard": Step(lambda s, key: s.discard(key), ("key",)),
    "remove": Step(lambda s, key: s.remove(key), ("key",)),
    "in": Step(lambda s, key: key in s, ("key",)),
    "set in": Step(lambda s, key: {key} in s, ("key",)),
    "toggle": Step(lambda s, key: s.symmetric_difference_update([key, key]), ("key",)),
    "add unhashable": Step(lambda s: s.add([])),
    "clear": Step(lambda s: s.clear()),
    "len": Step(len),
    "bool": Step(bool),
    "snapshot": Step(lambda s: s.snapshot()),
    "copy": Step(lambda s: {*s.copy()}),
    "isdisjoint": Step(lambda s, key: s.isdisjoint([key]), ("key",)),
    "with one": Step(lambda s, key: {*(s | {key})}, ("key",)),
    "without one": Step(lambda s, key: {*(s - {key})}, ("key",)),
    "only one": Step(lambda s, key: {*({key} & s)}, ("key",)),
    "pop all": Step(lambda s: sorted(repr(s.pop()) for _ in range(len(s))), is_atomic=False),
    "approx_len": Step(lambda s: s.approx_len(), is_atomic=False),
    "iterate": Step(lambda s: (len([*s]), {*s}), is_atomic=False),
    "reserve": Step(lambda s, n: s.reserve(n), ("many",), is_atomic=False),
    "update fails": Step(
        lambda s, first, count: s.update(_raising(first, count)),
        ("first", "many"),
        is_atomic=False,
    ),
    "remove_if": Step(
        lambda s, n: s.remove_if(lambda key: isinstance(key, int) and key % (n + 2) == 0),
        ("tiny",),
        is_atomic=False,
    ),
    "combine": Step(_combine_sets, ("op", "tiny", "first", "many"), is_atomic=False),
    "change": Step(_change_set, ("op=", "tiny", "first", "many"), is_atomic=False),
    "equal": Step(lambda s: (s == {*s}, s != {*s}, s == 5), is_atomic=False),
} | {
    name: _by_iterable(name)
    for name in (
        *("update", "difference_update", "intersection_update", "symmetric_difference_update"),
        *("union", "intersection", "difference", "symmetric_difference"),
        *("issubset", "issuperset"),
    )
}

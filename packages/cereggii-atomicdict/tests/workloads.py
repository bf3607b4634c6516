# SPDX-License-Identifier: Apache-2.0
"""Workloads of many threads: keys of every kind, and tables that are resized all the time."""

from __future__ import annotations

import contextlib
import functools
import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest
from cereggii_atomicdict import AtomicDict

from tools.testing.concurrency import background, meet

THREADS = 4


def in_threads(work: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """Run work(number) in as many threads as there are numbers, which start at the same time."""

    def work_of(number: int) -> Callable[[None], Any]:
        return lambda _: work(number)

    return [*meet([None], *map(work_of, range(threads)))[0]]


def flat(lists: list[list[Any]]) -> list[Any]:
    return [item for items in lists for item in items]


def access(shared: AtomicDict[Any, Any], number: int) -> Any:
    """The shared dict, or a handle of it, for the thread of this number."""
    return shared.get_handle() if number % 2 else shared


# ── keys ───────────────────────────────────────────────────────────────────────────────────────


class Name:
    """A key that is compared by a program, which lets other threads in."""

    __slots__ = ("__weakref__", "number")

    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Name) and self.number == other.number

    def __hash__(self) -> int:
        return hash(self.number)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.number})"


class Crowded(Name):
    """A name that shares its hash with nine others."""

    __slots__ = ()

    def __hash__(self) -> int:
        return self.number // 10


PERIOD = 2**61 - 1  # an int, and the same plus this, have the same hash

# Makes a key of a number: an equal one whenever it is given the same, and often a new object.
MakeKey: TypeAlias = Callable[[int], Any]
KEYS: dict[str, MakeKey] = {
    "int": lambda number: number,
    "int of few hashes": lambda number: number % 50 + number // 50 * PERIOD,
    "str": "key {}".format,
    "tuple": lambda number: (number, "of a tuple"),
    "own": Name,
    "own of few hashes": Crowded,
}
every_key = pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)


# ── resizing ───────────────────────────────────────────────────────────────────────────────────


class Filler(str):
    """A key that only serves to make the table larger; compared like a str, but not as fast."""

    __slots__ = ()


def fill_and_drain(
    shared: AtomicDict[Any, Any],
    done: threading.Event,
    number: int = 0,
    size: int = 600,
    cleared: bool = False,
) -> None:
    """Make the table grow, shrink and drop its tombstones over and over, until told to stop."""

    def delete(key: Any) -> None:
        if not cleared:
            del shared[key]
        else:
            shared.pop(key, None)

    fillers: list[Any] = [f"filler {number} {index}" for index in range(size)]
    fillers += map(Filler, [f"own filler {number} {index}" for index in range(size // 10)])
    while not done.is_set():
        for filler in fillers:
            shared[filler] = filler
        for filler in fillers:
            delete(filler)
        for filler in fillers[:10] * 20:  # no growth, but tombstones
            shared[filler] = filler
            delete(filler)


def is_filler(key: object) -> bool:
    return isinstance(key, str) and "filler" in key


@contextlib.contextmanager
def resizing(
    shared: AtomicDict[Any, Any], threads: int = 1, size: int = 600, cleared: bool = False
) -> Iterator[None]:
    """Resize the dict in other threads while the body runs; `cleared` if others clear it."""
    done = threading.Event()
    works = [
        functools.partial(fill_and_drain, shared, done, number, size, cleared)
        for number in range(threads)
    ]
    with background(*works):
        try:
            yield
        finally:
            done.set()


# ── checks of a dict at rest ───────────────────────────────────────────────────────────────────


def check_whole(shared: AtomicDict[Any, Any], expected: dict[Any, Any] | None = None) -> None:
    """Whether all ways to look at a dict that nobody changes agree, and it can still be used."""
    items = list(shared.items())
    found = dict(items)
    assert len(items) == len(found) == len(shared), (len(items), len(found), len(shared))
    assert shared.snapshot() == found
    assert {*shared} == {*found}
    for key, value in items:
        assert shared[key] is value
    if expected is not None:
        assert found == expected
    # The collector sees what is in the table: no key that was deleted is.
    seen = [one for one in gc.get_referents(shared) if one is not AtomicDict]
    assert type(shared) is not AtomicDict or len(seen) == 2 * len(items)
    probe = object()
    assert shared.get_and_set(probe, probe) is not probe
    assert len(shared) == len(found) + 1
    assert shared.pop(probe) is probe
    assert probe not in shared
    assert len(shared) == len(found)

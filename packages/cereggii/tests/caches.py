# SPDX-License-Identifier: Apache-2.0
"""Fills, clocks and checks for the tests of AtomicCache."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, TypeAlias, TypeVar

import pytest
from cereggii import AtomicCache
from cereggii.atomic_dict import atomic_cache

_C = TypeVar("_C")

Limits: TypeAlias = dict[str, Any]
# Limits that are never reached, but for the work that they make.
LIMITS: dict[str, Limits] = {
    "no limits": {},
    "ttl": {"ttl": 1e9},
    "maxsize": {"maxsize": 1000},
    "ttl and maxsize": {"ttl": 1e9, "maxsize": 1000},
}
every_cache = pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
sized_cache = pytest.mark.parametrize(
    "limits", [{"maxsize": 1000}, {"ttl": 1e9, "maxsize": 1000}], ids=["maxsize", "and ttl"]
)


class Thing:
    """An object that equals only itself, and can be referred to weakly."""


class RefusalError(Exception):
    """Raised by fills and keys."""


class Computer:
    """A fill that notes what it is asked for, and makes a new object each time."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def __call__(self, key: Any) -> Thing:
        self.calls.append(key)
        return Thing()


class Clock(threading.local):
    """A clock that stands still; each thread that runs a test has one of its own."""

    now = 1000.0


class SharedClock:
    """A clock that stands still; the threads of a test share it."""

    now = 1000.0


@contextlib.contextmanager
def caches_go_by(clock: _C) -> Iterator[_C]:
    """Meanwhile, the time of caches is `clock.now`."""
    module: Any = atomic_cache
    before = module.time
    module.time = SimpleNamespace(monotonic=lambda: clock.now)  # type: ignore[attr-defined]
    try:
        yield clock
    finally:
        module.time = before


def refuse(_key: Any) -> Any:
    raise RefusalError("computed")


def check_whole(cache: AtomicCache[Any, Any], maxsize: int) -> None:
    """Whether the cache still has place for as many values as it should, and not for one more."""
    assert len(cache) <= maxsize
    fresh = [("fresh", number) for number in range(3 * maxsize)]
    for key in fresh:
        cache[key]
    assert sorted(cache) == sorted(fresh[-maxsize:])

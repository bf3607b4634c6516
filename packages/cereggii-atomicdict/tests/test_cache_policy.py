# SPDX-License-Identifier: Apache-2.0
"""What the native cache keeps: its bound, its victims, its expiry. The type is not public yet."""

from __future__ import annotations

import gc
import random
import sys
import time
import weakref
from typing import Any

import pytest
from cereggii_atomicdict import _atomicdict

from tools.testing.concurrency import Thing, eventually

pytestmark = pytest.mark.thread_unsafe(reason="sets the clock of all caches")

AtomicCache: Any = _atomicdict.AtomicCache  # type: ignore[attr-defined]
advance_clock: Any = _atomicdict._advance_cache_clock  # type: ignore[attr-defined]


def test_a_hit_is_the_same_object_and_calls_nothing() -> None:
    calls: list[int] = []

    def fill(key: int) -> Thing:
        calls.append(key)
        return Thing()

    cache = AtomicCache(fill)
    first = cache[1]
    assert cache[1] is first
    assert cache.get(1) is first
    assert cache.peek(1) is first
    assert calls == [1]
    assert cache.get(2) is None
    assert cache.get(2, "none") == "none"
    assert 1 in cache
    assert 2 not in cache


@pytest.mark.parametrize("maxsize", [1, 2, 7, 8, 100])
def test_there_are_maxsize_values_at_most(maxsize: int) -> None:
    cache = AtomicCache(lambda key: -key, maxsize=maxsize)
    for key in range(3 * maxsize):
        assert cache[key] == -key
        assert len(cache) == min(key + 1, maxsize)
    assert len(cache.snapshot()) == maxsize


def test_what_is_used_often_stays() -> None:
    cache = AtomicCache(lambda key: key, maxsize=100)
    for _ in range(3):
        for key in range(20):
            cache[key]
    for key in range(1000, 3000):
        cache[key]
        cache[key % 20]
    assert all(key in cache for key in range(20))


def test_a_peek_is_not_a_use() -> None:
    cache = AtomicCache(lambda key: key, maxsize=100)
    before = cache._counts()
    cache.peek(1)
    cache[1]
    cache.peek(1)
    after = cache._counts()
    assert after["hits"] == before["hits"]
    assert after["misses"] == before["misses"] + 1


def test_a_value_expires_and_is_freed_without_a_request_for_it() -> None:
    cache = AtomicCache(lambda _key: Thing(), ttl=60.0)
    old = weakref.ref(cache["old"])
    advance_clock(59.0)
    assert "old" in cache
    advance_clock(1.1)
    assert "old" not in cache
    assert cache.get("old") is None
    assert old() is not None
    advance_clock(1.0)
    cache["other"]
    assert eventually(lambda: gc.collect() is not None and old() is None)
    assert len(cache) == 1


def test_a_value_never_expires_early() -> None:
    cache = AtomicCache(lambda key: key, ttl=0.0)
    cache[1]
    assert 1 not in cache
    calls: list[int] = []
    endless = AtomicCache(calls.append, ttl=float("inf"))
    endless[1]
    advance_clock(1e9)
    endless[1]
    assert calls == [1]


def test_two_hundred_thousand_expired_values_are_freed_by_others() -> None:
    cache = AtomicCache(lambda key: key, ttl=10.0)
    for key in range(200_000):
        cache[key]
    advance_clock(20.0)
    for key in range(200_000, 210_000):
        cache[key]
    assert len(cache) < 10_000 + 1_000


def test_a_sweep_removes_what_has_expired() -> None:
    cache = AtomicCache(lambda key: key, ttl=10.0)
    for key in range(1000):
        cache[key]
    assert cache.sweep() == 0
    advance_clock(11.0)
    assert cache.sweep() == 1000
    assert len(cache) == 0


def test_an_invalidation_says_whether_there_was_a_value() -> None:
    cache = AtomicCache(lambda key: key, ttl=10.0, maxsize=10)
    cache[1]
    assert cache.invalidate(1) is True
    assert cache.invalidate(1) is False
    cache[2]
    advance_clock(11.0)
    assert cache.invalidate(2) is False
    assert len(cache) == 0


def test_a_failure_is_not_kept() -> None:
    def fill(key: int) -> int:
        if fails:
            raise LookupError(key)
        return key

    cache = AtomicCache(fill, maxsize=10)
    fails = True
    with pytest.raises(LookupError):
        cache[1]
    assert 1 not in cache
    assert len(cache) == 0
    fails = False
    assert cache[1] == 1


@pytest.mark.parametrize(
    "limits", [{}, {"maxsize": 50}, {"ttl": 100.0}, {"ttl": 9.0, "maxsize": 9}]
)
def test_what_is_removed_is_freed(limits: dict[str, Any], seed: int) -> None:
    choose = random.Random(seed)
    alive: weakref.WeakSet[Thing] = weakref.WeakSet()

    def fill(_key: int) -> Thing:
        thing = Thing()
        alive.add(thing)
        return thing

    cache = AtomicCache(fill, **limits)
    for _ in range(5000):
        key = choose.randrange(200)
        what = choose.random()
        if what < 0.8:
            cache[key]
        elif what < 0.99:
            cache.invalidate(key)
        elif what < 0.995:
            advance_clock(1.0)
        else:
            cache.clear()
    assert eventually(lambda: gc.collect() is not None and len(alive) == len(cache.snapshot()))
    cache.clear()
    assert len(cache) == 0
    assert eventually(lambda: gc.collect() is not None and not alive)


def test_a_cache_in_a_cycle_is_freed() -> None:
    cache = AtomicCache(lambda _key: Thing(), maxsize=10)
    values = [cache[1]]
    values[0].cache = cache
    gone = weakref.ref(values.pop())
    del cache
    assert eventually(lambda: gc.collect() is not None and gone() is None)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"fill": 1}, TypeError, "fill must be callable or None, not 1"),
        ({"ttl": "a"}, TypeError, "ttl must be a number of seconds or None, not 'a'"),
        ({"ttl": -1}, ValueError, "ttl must be a number of seconds from 0 on, not -1"),
        ({"ttl": float("nan")}, ValueError, "ttl must be a number of seconds from 0 on, not nan"),
        ({"ttl": 1e300}, OverflowError, "ttl must be at most threading.TIMEOUT_MAX"),
        ({"maxsize": 0}, ValueError, "maxsize must be 1 or more, not 0"),
        ({"maxsize": 1.5}, TypeError, "maxsize must be an int or None, not 1.5"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        AtomicCache(**arguments)


def test_keys_may_have_an_eq_of_their_own() -> None:
    class Number:
        def __init__(self, value: int) -> None:
            self.value = value

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Number) and self.value == other.value

        def __hash__(self) -> int:
            return self.value % 3

    cache = AtomicCache(lambda key: key.value, maxsize=20)
    for _ in range(3):
        for value in range(30):
            assert cache[Number(value)] == value
    assert len(cache) == 20
    for value in range(30):
        cache.invalidate(Number(value))
    assert len(cache) == 0


def test_tuples_are_keys() -> None:
    cache = AtomicCache(lambda key: key, maxsize=100)
    for _ in range(2):
        for value in range(50):
            key = (value, str(value), b"x", None, True)
            assert cache[key] == key
    assert cache._counts()["misses"] == 50


def test_a_limit_that_is_never_reached_costs_nothing() -> None:
    cache = AtomicCache(lambda key: key, maxsize=sys.maxsize)
    for key in range(1000):
        cache[key]
    assert len(cache) == 1000


def test_a_sweep_removes_what_has_just_expired() -> None:
    cache = AtomicCache(lambda key: key, ttl=0.01)
    cache[1]
    time.sleep(0.03)
    cache.sweep()
    assert len(cache) == 0


@pytest.mark.parametrize("limits", [{}, {"maxsize": 50}, {"ttl": 100.0}])
def test_what_is_being_computed_is_not_counted(limits: dict[str, Any]) -> None:
    cache = AtomicCache(lambda _key: len(cache), **limits)
    assert [cache[0], cache[1], cache[2]] == [0, 1, 2]


def test_a_cache_whose_fill_is_its_own_method_is_freed() -> None:
    class Doubling(AtomicCache):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(self.double)

        def double(self, key: int) -> int:
            return 2 * key

    cache = Doubling()
    assert cache[2] == 4
    gone = weakref.ref(cache)
    del cache
    assert eventually(lambda: gc.collect() is not None and gone() is None)


def test_a_snapshot_that_fails_leaks_nothing() -> None:
    class Key:
        def __hash__(self) -> int:
            if broken:
                raise LookupError
            return 1

    broken = False
    cache = AtomicCache(lambda key: key)
    keys = [Key() for _ in range(3)]
    for key in keys:
        cache[key]
    counts = [sys.getrefcount(key) for key in keys]
    broken = True
    for _ in range(10):
        with pytest.raises(LookupError):
            cache.snapshot()
    assert [sys.getrefcount(key) for key in keys] == counts

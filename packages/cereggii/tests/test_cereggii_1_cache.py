# SPDX-License-Identifier: Apache-2.0
"""A program for cereggii 1.x uses AtomicCache as before, and memoizes functions with it."""

from __future__ import annotations

import functools
import threading
import time
from typing import Any

import pytest

from tools.testing.concurrency import PATIENCE, Task, give_time_to_block

from .cereggii_1 import AtomicCache, Decorator, Fill, has_threads


def test_a_cache_fills_itself() -> None:
    cache = AtomicCache(fill := Fill())
    assert 1 not in cache
    assert cache[1] is cache[1]
    assert cache[2] == [2]
    assert fill.calls == [1, 2]
    assert 1 in cache
    before = cache[1]
    assert cache.invalidate(1) is None
    assert cache.invalidate(key="never seen") is None
    assert 1 not in cache
    assert cache[1] is not before
    assert fill.calls == [1, 2, 1]
    assert AtomicCache[int, int](fill=fill)[3] == [3]
    with pytest.raises(TypeError):
        cache[[]]


def test_a_cache_refuses_wrong_arguments() -> None:
    for wrong in (AtomicCache, functools.partial(AtomicCache, Fill(), nothing=5)):
        with pytest.raises(TypeError):
            wrong()


def test_a_cached_value_expires() -> None:
    for cache in (AtomicCache(Fill(), 0.05), AtomicCache(fill=Fill(), ttl=0.05)):
        before = cache[1]
        time.sleep(0.1)
        assert 1 not in cache
        assert cache[1] is not before
    cache = AtomicCache(fill := Fill(), ttl=3600.0)
    assert cache[1] is cache[1]
    assert fill.calls == [1]
    assert 1 in cache


def test_values_are_not_assigned_to_a_cache() -> None:
    cache = AtomicCache(Fill())
    with pytest.raises(NotImplementedError):
        cache[1] = 2
    assert 1 not in cache


def test_a_cache_uses_itself_to_fill_other_keys() -> None:
    cache: Any = AtomicCache(lambda number: cache[number - 1] + 1 if number else 0)
    assert cache[50] == 50


def test_a_subclass_of_a_cache_has_attributes_and_methods() -> None:
    class Counting(AtomicCache):  # type: ignore[misc, valid-type]
        def __init__(self, fill: Any, ttl: float | None = None) -> None:
            super().__init__(fill, ttl=ttl)
            self.asked = 0

        def __getitem__(self, key: Any) -> Any:
            self.asked += 1
            return super().__getitem__(key)

    for ttl in (None, 3600.0):
        cache = Counting(fill := Fill(), ttl)
        assert cache[1] is cache[1]
        assert (cache.asked, fill.calls, 1 in cache, 2 in cache) == (2, [1], True, False)


def test_results_of_functions_are_memoized() -> None:
    calls = []
    memoize: Decorator = AtomicCache.memoize()

    @memoize
    def fibonacci(number: int) -> Any:
        calls.append(number)
        return number if number <= 1 else fibonacci(number - 1) + fibonacci(number - 2)

    assert fibonacci(30) == 832040
    assert len(calls) == 31
    assert isinstance(fibonacci, AtomicCache.MemoizedFunction)


def test_memoized_results_are_forgotten_by_their_arguments() -> None:
    calls = []

    def power(base: int, exponent: int) -> int:
        calls.append((base, exponent))
        return int(base**exponent)

    for options in ({"ttl": 3600.0}, {}):
        memoized = AtomicCache.memoize(**options)(power)
        for _ in range(2):
            assert memoized(2, 10) == 1024
            assert memoized(exponent=3, base=2) == memoized(base=2, exponent=3) == 8
            assert memoized(2, exponent=4) == 16
        assert len(calls) == 3
        memoized.invalidate(2, 10)
        memoized.invalidate(base=2, exponent=3)
        assert [memoized(2, 10), memoized(exponent=3, base=2)] == [1024, 8]
        assert len(calls) == 5
        calls.clear()
    memoized = AtomicCache.memoize(ttl=0.05)(power)
    assert memoized(2, 3) == 8
    time.sleep(0.1)
    assert memoized(2, 3) == 8
    assert calls == [(2, 3)] * 2
    assert AtomicCache.memoize(3600.0)(len)("abc") == 3
    assert AtomicCache.MemoizedFunction(AtomicCache, len, ttl=3600.0)("abc") == 3
    with pytest.raises(TypeError):
        AtomicCache.memoize()(len)([])


@has_threads
@pytest.mark.parametrize("ttl", [None, 3600.0])
def test_a_value_is_computed_once_and_invalidate_waits_for_it(ttl: float | None) -> None:
    entered = threading.Semaphore(0)
    opened = threading.Event()
    calls = []

    def fill(key: str) -> object:
        calls.append(key)
        entered.release()
        assert opened.wait(PATIENCE)
        return object()

    cache = AtomicCache(fill, ttl=ttl)
    first = Task(lambda: cache["a"])
    first.start()
    assert entered.acquire(timeout=PATIENCE)
    others = [Task(lambda: cache["a"]) for _ in range(3)]
    forgetting = Task(lambda: cache.invalidate("a"))
    for task in (*others, forgetting):
        task.start()
    give_time_to_block()
    assert forgetting.is_alive()
    assert calls == ["a"]
    opened.set()
    forgetting.result()
    values = {first.result(), cache["a"]}
    assert len(values) == 2
    assert {task.result() for task in others} <= values
    assert calls == ["a", "a"]

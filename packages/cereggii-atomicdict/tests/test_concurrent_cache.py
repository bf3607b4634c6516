# SPDX-License-Identifier: Apache-2.0
"""Threads share the native cache: one fill, no stale value, and no entry is lost or left over."""

from __future__ import annotations

import contextlib
import gc
import random
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicdict import _atomicdict

from tools.testing.concurrency import (
    PATIENCE,
    FailedError,
    Gate,
    Thing,
    background,
    beside,
    concurrent,
    eventually,
    give_time_to_block,
    in_threads,
    meet,
    run_threads,
)

AtomicCache: Any = _atomicdict.AtomicCache  # type: ignore[attr-defined]

LIMITS: list[dict[str, Any]] = [{}, {"maxsize": 100}, {"ttl": 1000.0}, {"ttl": 0.01, "maxsize": 30}]
every_limit = pytest.mark.parametrize("limits", LIMITS, ids=str)


@concurrent
@pytest.mark.parametrize("limits", LIMITS[:3], ids=str)
def test_many_threads_ask_and_one_fills(limits: dict[str, Any]) -> None:
    calls: list[int] = []

    def fill(key: int) -> Thing:
        calls.append(key)
        return Thing()

    cache = AtomicCache(fill, **limits)
    asks: list[Callable[[int], Thing]] = [cache.__getitem__] * 4
    for found in meet([*range(300)], *asks):
        assert len({id(thing) for thing in found}) == 1
    assert sorted(calls) == [*range(300)]


@concurrent
@every_limit
def test_nothing_is_lost_and_nothing_is_left(limits: dict[str, Any], seed: int) -> None:
    """Threads fill, invalidate, clear and read. Then the lists have what the table has."""
    alive: weakref.WeakSet[Any] = weakref.WeakSet()

    class Value:
        def __init__(self, key: int) -> None:
            self.key = key

    def fill(key: int) -> Value:
        if key % 31 == 0:
            raise FailedError(key)
        return Value(key)

    cache = AtomicCache(fill, **limits)

    def work(number: int) -> None:
        choose = random.Random(seed + number)
        for _ in range(8000):
            key = int(choose.paretovariate(0.6)) % 400
            what = choose.random()
            if what < 0.9:
                try:
                    value = cache[key]
                except FailedError:
                    assert key % 31 == 0
                else:
                    assert value.key == key
                    if what < 0.1:
                        alive.add(value)
            elif what < 0.98:
                cache.invalidate(key)
            elif what < 0.999:
                assert len(cache) >= 0
                cache.snapshot()
            else:
                cache.clear()

    in_threads(work)
    if "maxsize" in limits:
        assert len(cache) <= limits["maxsize"]
    if limits.get("ttl", 1) >= 1:
        assert len(cache) == len(cache.snapshot())
    cache.clear()
    assert len(cache) == 0
    assert eventually(lambda: gc.collect() is not None and not alive)


@concurrent
def test_a_bounded_cache_is_never_far_above_its_bound() -> None:
    maxsize, threads = 64, 4
    cache = AtomicCache(lambda key: key, maxsize=maxsize)
    most = 0

    def look() -> None:
        nonlocal most
        most = max(most, len(cache.snapshot()))

    def work(number: int) -> None:
        for key in range(20_000):
            cache[(number, key)]

    with beside(look):
        in_threads(work, threads)
    # 8 entries may wait for the lists, and each thread may have one more. A snapshot does not show
    # one instant: it may show entries that came while it looked.
    assert len(cache) == maxsize
    assert most <= 3 * maxsize


# ── stale values ───────────────────────────────────────────────────────────────────────────────


@concurrent
@every_limit
@pytest.mark.parametrize("how", ["invalidate", "clear"])
def test_a_read_after_an_invalidation_is_not_older(how: str, limits: dict[str, Any]) -> None:
    version = 0

    cache = AtomicCache(lambda _key: version, **limits)

    def change() -> None:
        nonlocal version
        for _ in range(3000):
            version += 1
            now = version
            if how == "clear":
                cache.clear()
            else:
                cache.invalidate("key")
            assert cache["key"] >= now

    def read() -> None:
        cache["key"]

    with beside(read, read):
        run_threads(change)


@concurrent
@pytest.mark.parametrize("how", ["invalidate", "clear"])
def test_a_fill_that_began_before_an_invalidation_stores_nothing(how: str) -> None:
    gate = Gate()
    cache = AtomicCache(gate, maxsize=10)
    with background(lambda: cache["key"], lambda: cache["key"]) as askers:
        gate.wait_until_entered()
        give_time_to_block()
        if how == "clear":
            cache.clear()
        else:
            assert cache.invalidate("key") is False
        gate.opened.set()
        first, second = (asker.result() for asker in askers)
    assert "key" not in cache
    assert len(cache) == 0
    assert isinstance(first, Thing)
    assert first is second or len(gate.calls) == 2


@concurrent
def test_an_invalidation_in_the_fill_itself_waits_for_nothing() -> None:
    def fill(key: str) -> Thing:
        assert cache.invalidate(key) is False
        cache.clear()
        return Thing()

    cache = AtomicCache(fill, maxsize=10)
    assert cache["key"] is not cache["key"]
    assert len(cache) == 0


@concurrent
def test_a_lock_that_the_fill_takes_may_be_held_for_an_invalidation() -> None:
    lock = threading.Lock()
    entered = threading.Event()

    def fill(_key: str) -> Thing:
        entered.set()
        with lock:
            return Thing()

    cache = AtomicCache(fill)
    lock.acquire()
    with background(lambda: cache["key"]):
        try:
            assert entered.wait(PATIENCE)
            cache.invalidate("key")
        finally:
            lock.release()
    assert "key" not in cache


# ── failures ───────────────────────────────────────────────────────────────────────────────────


@concurrent
def test_all_that_wait_are_told_of_a_failure_at_once() -> None:
    gate = Gate()
    gate.fails = True
    cache = AtomicCache(gate)
    errors: list[FailedError] = []

    def ask() -> None:
        try:
            cache["key"]
        except FailedError as error:
            errors.append(error)

    with background(*[ask] * 4):
        gate.wait_until_entered()
        give_time_to_block()
        gate.opened.set()
    assert len(errors) == 4
    assert len({id(error) for error in errors}) == 4
    assert len({id(error.__traceback__) for error in errors}) == 4
    assert all(error.args == ("key",) for error in errors)
    assert len(cache) == 0


@concurrent
def test_a_note_on_a_failure_is_for_one_thread() -> None:
    gate = Gate()
    gate.fails = True
    cache = AtomicCache(gate)
    notes: list[list[str]] = []

    def ask() -> None:
        try:
            cache["key"]
        except FailedError as error:
            error.add_note("mine")
            notes.append(error.__notes__)

    with background(*[ask] * 3):
        gate.wait_until_entered()
        give_time_to_block()
        gate.opened.set()
    assert notes == [["mine"]] * 3


@concurrent
def test_a_value_is_found_beside_fills_of_its_key_that_fail() -> None:
    """The reservation of a fill that has failed may still be in the table, before the value."""
    cache = AtomicCache(lambda key: key, ttl=1e6)

    def fail(_key: int) -> None:
        raise FailedError

    def fill_in_vain() -> None:
        with contextlib.suppress(FailedError):
            cache.get_or_fill(1, fail)

    def fill() -> None:
        for _ in range(10_000):
            try:
                cache.get_or_fill(1)
            except FailedError:
                continue
            assert 1 in cache
            cache.invalidate(1)

    with beside(fill_in_vain, fill_in_vain):
        run_threads(fill)


@concurrent
def test_an_interrupt_of_one_thread_is_not_shared() -> None:
    calls: list[str] = []
    entered = threading.Event()
    opened = threading.Event()

    def fill(key: str) -> Thing:
        calls.append(key)
        if len(calls) == 1:
            entered.set()
            assert opened.wait(PATIENCE)
            raise KeyboardInterrupt
        return Thing()

    cache = AtomicCache(fill)

    def interrupted() -> None:
        with pytest.raises(KeyboardInterrupt):
            cache["key"]

    with background(interrupted):
        assert entered.wait(PATIENCE)
        with background(lambda: cache["key"]) as (other,):
            give_time_to_block()
            opened.set()
            assert isinstance(other.result(), Thing)
    assert calls == ["key", "key"]


@concurrent
def test_fills_that_wait_for_each_other_raise() -> None:
    meeting = threading.Barrier(2)

    def fill(key: int) -> Any:
        meeting.wait(PATIENCE)
        return cache[1 - key]

    cache = AtomicCache(fill)

    def ask(key: int) -> Any:
        with pytest.raises(RuntimeError, match="would wait for its own value"):
            cache[key]

    in_threads(ask, 2)


@concurrent
def test_a_fill_that_asks_for_its_own_key_raises() -> None:
    cache = AtomicCache(lambda key: cache[key], maxsize=10)
    with pytest.raises(RuntimeError, match="would wait for its own value"):
        cache[1]
    assert len(cache) == 0


@concurrent
def test_a_timeout_leaves_the_fill_running() -> None:
    gate = Gate()
    cache = AtomicCache(gate)
    with background(lambda: cache["key"]) as (leader,):
        gate.wait_until_entered()
        with pytest.raises(TimeoutError, match="another thread is still computing"):
            cache.get_or_fill("key", timeout=0.01)
        gate.opened.set()
        thing = leader.result()
    assert cache["key"] is thing

# SPDX-License-Identifier: Apache-2.0
"""AtomicCache by many threads: one of them computes the value of a key, the others wait."""

from __future__ import annotations

import contextlib
import copy
import random
import threading
import time
from typing import Any

import pytest
from cereggii import AtomicCache

from tools.testing.concurrency import (
    PATIENCE,
    THREADS,
    FailedError,
    Gate,
    Task,
    Thing,
    background,
    give_time_to_block,
    in_threads,
    meet,
)

from .caches import SharedClock
from .concurrent_caches import LIMITS, Limits, both_caches

pytestmark = [
    pytest.mark.thread_unsafe(reason="has threads of its own"),
    pytest.mark.usefixtures("switch_often"),
]
every_cache = pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)


# ── once ───────────────────────────────────────────────────────────────────────────────────────


@both_caches
def test_many_threads_ask_and_one_computes(limits: Limits) -> None:
    computed: list[int] = []

    def fill(key: int) -> Thing:
        computed.append(key)
        return Thing()

    cache: Any = AtomicCache(fill, **limits)
    keys = [*range(300)]
    for key, found in enumerate(meet(keys, *[cache.__getitem__] * THREADS)):
        assert {*found} == {cache[key]}
    assert sorted(computed) == sorted(cache) == keys


@both_caches
def test_many_keys_are_asked_for_in_any_order_and_computed_once(limits: Limits, seed: int) -> None:
    computed: list[int] = []

    def fill(key: int) -> Thing:
        if key % 10 == 0:
            time.sleep(0)
        computed.append(key)
        return Thing()

    cache: Any = AtomicCache(fill, **limits)
    keys = range(500)

    def ask(number: int) -> list[Thing]:
        order = random.Random(seed + number).sample(keys, len(keys))
        found = {key: cache[key] for key in order}
        return [found[key] for key in keys]

    found = in_threads(ask)
    assert all(things == found[0] for things in found)
    assert sorted(computed) == [*keys]
    assert [cache[key] for key in keys] == found[0]


def test_after_each_expiry_one_computes(shared_clock: SharedClock) -> None:
    keys, periods = 20, 30
    computed: list[int] = []

    def fill(key: int) -> Thing:
        computed.append(key)
        return Thing()

    def advance() -> None:
        shared_clock.now += 11

    for limits in ({}, {"maxsize": keys}):
        cache: Any = AtomicCache(fill, ttl=10, **limits)
        period = threading.Barrier(THREADS, advance)

        def ask(_number: int, cache: Any = cache, period: Any = period) -> list[list[Thing]]:
            found = []
            for _ in range(periods):
                period.wait(PATIENCE)
                found.append([cache[key] for key in range(keys)])
            period.wait(PATIENCE)
            return found

        found = in_threads(ask)
        assert all(things == found[0] for things in found)
        assert len({thing for things in found[0] for thing in things}) == keys * periods
        assert sorted(computed) == sorted([*range(keys)] * periods)
        computed.clear()


def test_no_value_goes_because_of_a_length_that_was_too_high_for_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # While another thread puts one in the place of another, `approx_len` may count both.
    cache: Any = AtomicCache(lambda _key: Thing(), maxsize=20)
    length = type(cache._entries).__len__
    monkeypatch.setattr(type(cache._entries), "approx_len", lambda self: length(self) + 1)
    things = [cache[key] for key in range(20)]
    assert [cache[key] for key in range(20)] == things
    assert (cache[20], len(cache)) == (cache[20], 20)


@both_caches
def test_waiters_get_the_computed_value_even_if_it_is_removed_at_once(
    limits: Limits,
) -> None:
    gate = Gate()
    cache: Any = AtomicCache(gate, **limits)

    def compute_and_remove() -> Thing:
        thing: Thing = cache["key"]
        cache.invalidate("key")  # before the others have woken up
        return thing

    with background(compute_and_remove) as (leader,):
        gate.wait_until_entered()
        waiters = [Task(lambda: cache["key"]) for _ in range(THREADS)]
        for waiter in waiters:
            waiter.start()
        give_time_to_block()
        gate.opened.set()
        found = [waiter.result() for waiter in waiters]
    # Such as had not begun to wait compute another one: none, as a rule.
    assert found.count(leader.result()) >= THREADS - (len(gate.calls) - 1)


@every_cache
def test_fills_of_different_keys_run_at_the_same_time(limits: Limits) -> None:
    together = threading.Barrier(THREADS)

    def fill(key: int) -> int:
        together.wait(PATIENCE)
        return key

    cache: Any = AtomicCache(fill, **limits)
    assert in_threads(cache.__getitem__) == [*range(THREADS)]


@every_cache
def test_nothing_but_the_key_itself_waits_for_a_fill(limits: Limits) -> None:
    gate = Gate()
    cache: Any = AtomicCache(lambda key: gate(key) if key == "slow" else key, **limits)
    cache["known"]
    with background(lambda: cache["slow"]) as (task,):
        gate.wait_until_entered()
        assert cache["known"] == "known"
        assert cache["new"] == "new"
        assert "slow" not in cache
        assert cache.get("slow", "default") == "default"
        assert {*cache} == {"known", "new"}
        assert len(cache) == 2
        assert cache.snapshot() == {"known": "known", "new": "new"}
        cache.invalidate("new")
        cache.clear()
        assert len(cache) == len(copy.copy(cache)) == 0
        gate.opened.set()
        assert task.result() is cache["slow"]
    assert gate.calls == ["slow"]


@both_caches
def test_a_memoized_function_is_called_once_by_many_threads(limits: Limits) -> None:
    calls: list[tuple[Any, int]] = []

    class Account:
        @AtomicCache.memoize(**limits)
        def method(self, n: int, *, factor: int = 1) -> Thing:
            calls.append((self, n * factor))
            return Thing()

    one, other = Account(), Account()

    def call(n: int) -> tuple[Any, ...]:
        return one.method(n), other.method(n), one.method(n, factor=1000)

    for found in meet([*range(1, 200)], *[call] * THREADS):
        assert len({*found}) == 1
        assert len({*found[0]}) == 3
    assert len(calls) == len({*calls}) == 3 * 199


@every_cache
def test_a_recursive_function_is_memoized_for_many_threads(limits: Limits) -> None:
    calls: list[int] = []

    @AtomicCache.memoize(**limits)
    def fib(n: int) -> int:
        calls.append(n)
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    assert in_threads(lambda number: fib(60 + number % 2)) == [1548008755920, 2504730781961] * 2
    assert sorted(calls) == [*range(62)]


# ── failures ───────────────────────────────────────────────────────────────────────────────────


@both_caches
@pytest.mark.parametrize("error", [FailedError, KeyboardInterrupt, SystemExit])
def test_one_waiter_tries_next_if_a_fill_raises(limits: Limits, error: type[BaseException]) -> None:
    entered = threading.Semaphore(0)
    proceed = threading.Semaphore(0)
    running: list[None] = []

    def fill(_key: str) -> Thing:
        running.append(None)
        assert len(running) == 1  # one at a time
        entered.release()
        assert proceed.acquire(timeout=PATIENCE)
        running.pop()
        raise error("failed")

    cache: Any = AtomicCache(fill, **limits)

    def ask() -> str:
        try:
            cache["key"]
        except error:
            return "failed"
        return "computed"

    tasks = [Task(ask) for _ in range(3)]
    for task in tasks:
        task.start()
    for turn in range(3):
        assert entered.acquire(timeout=PATIENCE)
        give_time_to_block()
        # Nobody but those who have been in the fill has come back.
        assert sum(not task.is_alive() for task in tasks) <= turn
        proceed.release()
    assert [task.result() for task in tasks] == ["failed"] * 3
    assert len(cache) == 0


@both_caches
def test_failures_and_successes_of_many_threads(limits: Limits, seed: int) -> None:
    choose = random.Random(seed)
    computed: list[int] = []

    def fill(key: int) -> Thing:
        if choose.random() < 0.5:
            raise FailedError
        computed.append(key)
        return Thing()

    cache: Any = AtomicCache(fill, **limits)

    def ask(key: int) -> Thing | None:
        try:
            return cache[key]  # type: ignore[no-any-return]
        except FailedError:
            return None

    for key, found in enumerate(meet([*range(200)], *[ask] * THREADS)):
        assert {*found} <= {cache.get(key), None}
        assert (key in cache) == any(found)
    assert sorted(computed) == sorted(cache)


# ── circles ────────────────────────────────────────────────────────────────────────────────────


@every_cache
@pytest.mark.parametrize("caches", [1, 2])
@pytest.mark.parametrize("threads", [2, 3, THREADS])
def test_a_thread_that_would_close_a_circle_gets_an_error(
    limits: Limits, caches: int, threads: int
) -> None:
    """Each computes a key from the next one: the last to ask gets an error, and the rest go on."""
    all_compute = threading.Barrier(threads)
    told: dict[int, str] = {}

    def fill(key: int) -> int:
        if key not in told:
            all_compute.wait(PATIENCE)
        try:
            return ask((key + 1) % threads) + 1
        except RuntimeError as error:
            told[key] = str(error)
            return 0

    shared: list[Any] = [AtomicCache(fill, **limits) for _ in range(caches)]

    def ask(key: int) -> int:
        return shared[key % caches][key]  # type: ignore[no-any-return]

    values = in_threads(ask, threads)
    assert len(told) == 1
    assert "own value" in told.popitem()[1]
    assert sorted(values) == [*range(threads)]


@every_cache
def test_fills_that_invalidate_each_other_s_keys_do_not_block(limits: Limits) -> None:
    both_compute = threading.Barrier(2)
    told: list[int] = []

    def fill(key: int) -> Thing:
        both_compute.wait(PATIENCE)
        try:
            cache.invalidate(1 - key)
        except RuntimeError:
            told.append(key)
        return Thing()

    cache: Any = AtomicCache(fill, **limits)
    in_threads(cache.__getitem__, 2)
    assert len(told) == 1  # the other one has invalidated its value, or its value came later


@pytest.mark.parametrize("limits", [{}, {"maxsize": 3}], ids=["no limits", "maxsize 3"])
def test_circles_at_random_never_block(limits: Limits, seed: int) -> None:
    own = threading.local()

    def fill(key: int) -> int:
        for _ in range(2):
            if own.choose.random() < 0.2:
                cache.invalidate(own.choose.randrange(12))
            cache[own.choose.randrange(12)]
        return key

    cache: Any = AtomicCache(fill, **limits)

    def work(number: int) -> None:
        own.choose = random.Random(seed + number)
        for _ in range(150):
            with contextlib.suppress(RuntimeError, RecursionError):
                key = own.choose.randrange(12)
                assert cache[key] == key
            cache.invalidate(own.choose.randrange(12))

    in_threads(work)
    assert all(key == value for key, value in cache.items())

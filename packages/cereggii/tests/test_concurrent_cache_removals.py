# SPDX-License-Identifier: Apache-2.0
"""AtomicCache by many threads: a value that is invalidated, evicted or too old is not seen."""

from __future__ import annotations

import contextlib
import copy
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
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
    beside,
    give_time_to_block,
    in_threads,
    meet,
    run_threads,
)

from .caches import SharedClock
from .concurrent_caches import Limits, both_caches

pytestmark = [
    pytest.mark.thread_unsafe(reason="has threads of its own"),
    pytest.mark.usefixtures("switch_often"),
]

# Limits that are reached over and over, by the keys and the clock of a test.
TIGHT: dict[str, Limits] = {
    "ttl": {"ttl": 10},
    "maxsize 1": {"maxsize": 1},
    "maxsize 3": {"maxsize": 3},
    "ttl and maxsize 2": {"ttl": 10, "maxsize": 2},
}
tight_cache = pytest.mark.parametrize("limits", TIGHT.values(), ids=TIGHT)


def entries(cache: AtomicCache[Any, Any]) -> int:
    """How many values are kept, also such that have expired; as of one instant."""
    entries: Any = cache._entries
    return len(entries)


def check_whole(cache: Any) -> None:
    """Whether a cache that is at rest has place for as many values as it should, not for more."""
    maxsize = cache._entries.maxsize
    if maxsize is None:
        return
    assert len(cache) <= entries(cache) <= maxsize
    fresh = [("fresh", number) for number in range(3 * maxsize)]
    for key in fresh:
        cache[key]
    assert sorted(cache) == sorted(fresh[-maxsize:])
    assert entries(cache) == maxsize


# ── invalidate ─────────────────────────────────────────────────────────────────────────────────


@both_caches
def test_an_invalidation_waits_for_the_fill_and_later_reads_get_a_new_value(
    limits: Limits,
) -> None:
    gate = Gate()
    cache: Any = AtomicCache(gate, **limits)
    asking = Task(lambda: cache["key"])
    asking.start()
    gate.wait_until_entered()
    invalidating = [Task(lambda: cache.invalidate("key")) for _ in range(2)]
    for task in invalidating:
        task.start()
    give_time_to_block()
    assert all(task.is_alive() for task in (asking, *invalidating))
    gate.opened.set()
    old = asking.result()
    for task in invalidating:
        assert task.result() is None
    assert "key" not in cache
    assert cache["key"] is not old
    assert gate.calls == ["key"] * 2


@both_caches
def test_an_invalidation_whose_timeout_ends_changes_nothing(
    limits: Limits,
) -> None:
    gate = Gate()
    cache: Any = AtomicCache(gate, **limits)
    with background(lambda: cache["key"]) as (task,):
        gate.wait_until_entered()
        for timeout in (0, 0.05):
            with pytest.raises(TimeoutError, match="'key'"):
                cache.invalidate("key", timeout=timeout)
        cache.invalidate("another", timeout=0)
        assert task.is_alive()
        gate.opened.set()
        value = task.result()
    assert cache["key"] is value
    assert gate.calls == ["key"]


@both_caches
def test_an_invalidation_that_waits_for_a_fill_that_fails_is_done(limits: Limits) -> None:
    gate = Gate()
    gate.fails = True
    cache: Any = AtomicCache(gate, **limits)
    asking = Task(lambda: cache["key"])
    asking.start()
    gate.wait_until_entered()
    with background(lambda: cache.invalidate("key")) as (invalidating,):
        give_time_to_block()
        assert invalidating.is_alive()
        gate.opened.set()
    with pytest.raises(FailedError):
        asking.result()
    gate.fails = False
    assert cache["key"] is cache["key"]
    assert gate.calls == ["key"] * 2


@pytest.mark.parametrize("limits", [{}, *TIGHT.values()], ids=["no limits", *TIGHT])
def test_a_value_from_before_an_invalidation_is_never_seen_after_it(
    shared_clock: SharedClock, limits: Limits
) -> None:
    """Values are versions of what they are made from, which only its writer changes."""
    keys, rounds = 2, 1000
    source = [0] * keys
    invalidated = [0] * keys  # as of which version it is known to have been

    def fill(key: Any) -> int:
        if not isinstance(key, int):
            return 0
        version = source[key]
        if version % 4 == 0:
            time.sleep(0)  # others see the next one meanwhile
        return version

    cache: Any = AtomicCache(fill, **limits)

    def write(key: int) -> None:
        for version in range(1, rounds):
            source[key] = version
            cache.invalidate(key)
            invalidated[key] = version
            assert cache[key] == version
            if version % 10 == 0:
                shared_clock.now += 3

    def read() -> None:
        for key in range(keys):
            at_least = invalidated[key]
            assert at_least <= cache[key] <= source[key]

    def read_others() -> None:
        for key in "abc":
            assert cache[key] == 0

    with beside(read, read_others):
        in_threads(write, keys)
    if limits:
        check_whole(cache)


@pytest.mark.parametrize("limits", [{}, {"ttl": 1e9}], ids=["no limits", "ttl"])
def test_a_value_invalidated_as_soon_as_it_is_there_is_never_seen_after_it(limits: Limits) -> None:
    """The thread that computed the value may still be busy: it helps the table to grow."""
    keys = 60_000
    versions = [0] * keys
    cache: Any = AtomicCache(lambda key: (key, versions[key]), **limits)
    newest = [0]
    done = threading.Event()

    def fill_up() -> None:
        try:
            for key in range(keys):
                newest[0] = key
                cache[key]
        finally:
            done.set()

    def follow() -> None:
        before = -1
        while not done.is_set():
            key = newest[0]
            if key != before and key in cache:
                before = key
                versions[key] += 1
                cache.invalidate(key)
                assert cache[key] == (key, 1)

    run_threads(fill_up, follow)
    assert len(cache) == keys


# ── limits ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("maxsize", [1, 2, 3])
def test_there_are_never_too_many_values_for_long(maxsize: int) -> None:
    """All threads store at once; when they have, there are no more than there may be."""

    def ask(number: int) -> Callable[[Any], int]:
        return lambda cache: cache[number]

    caches: list[Any] = [AtomicCache(lambda key: key, maxsize=maxsize) for _ in range(150)]
    meet(caches, *map(ask, range(THREADS)))
    assert max(map(len, caches)) <= maxsize
    for cache in caches[::20]:
        check_whole(cache)


class Contended(deque[Any]):
    """A queue of which two threads find at the same time that there is nothing in it."""

    def __init__(self, items: Iterable[Any]) -> None:
        super().__init__(items)
        self.found_empty = threading.Event()
        self.both = threading.Barrier(2)

    def popleft(self) -> Any:
        try:
            found = super().popleft()
        except IndexError:
            self.found_empty.set()
            with contextlib.suppress(threading.BrokenBarrierError):
                self.both.wait(1)
            raise
        self.found_empty.wait(1)
        return found


def test_two_that_find_nothing_to_evict_do_not_both_stay() -> None:
    """Each of them is about to put its own value into the queue."""
    both_compute = threading.Barrier(2)

    def fill(key: Any) -> Any:
        if key != "old":
            both_compute.wait(PATIENCE)
        return key

    cache: Any = AtomicCache(fill, maxsize=1)
    cache["old"]
    cache._entries.queue = Contended(cache._entries.queue)
    in_threads(cache.__getitem__, 2)
    assert len(cache) <= entries(cache) <= 1
    cache._entries.queue = deque(cache._entries.queue)
    assert cache["old"] == "old"
    assert [*cache] == ["old"]


@pytest.mark.parametrize("maxsize", [1, 5, 50])
def test_there_are_never_more_values_than_places_and_fills(maxsize: int, seed: int) -> None:
    cache: Any = AtomicCache(lambda key: key, maxsize=maxsize)
    most = 0

    def look() -> None:
        nonlocal most
        most = max(most, entries(cache))

    def ask(number: int) -> None:
        choose = random.Random(seed + number)
        for _ in range(1500):
            # Some are in use, most are not.
            key = choose.randrange(4) if choose.random() < 0.3 else choose.randrange(10_000)
            assert cache[key] == key

    with beside(look):
        in_threads(ask)
    assert most <= maxsize + THREADS
    check_whole(cache)


def test_a_value_that_is_used_all_the_time_stays() -> None:
    """Whatever comes and goes beside it."""
    computed: list[Any] = []

    def fill(key: Any) -> Any:
        computed.append(key)
        return key

    cache: Any = AtomicCache(fill, maxsize=50)
    cache["hot"]

    def ask(number: int) -> None:
        for n in range(500):
            cache["hot"]
            cache[number, n]

    in_threads(ask)
    assert computed.count("hot") == 1
    assert len(computed) == 1 + THREADS * 500
    check_whole(cache)


@tight_cache
def test_evictions_invalidations_and_expiry_at_once(
    shared_clock: SharedClock, limits: Limits, seed: int
) -> None:
    cache: Any = AtomicCache(lambda key: (key, Thing()), **limits)

    def work(number: int) -> None:
        choose = random.Random(seed + number)
        for _ in range(1200):
            key = choose.randrange(6)
            act = choose.random()
            if act < 0.7:
                assert cache[key][0] == key
            elif act < 0.9:
                cache.invalidate(key)
            elif act < 0.98:
                found = cache.get(key)
                assert found is None or found[0] == key
            elif act < 0.99:
                cache.clear()
            else:
                assert all(key == value[0] for key, value in cache.items())
            if number == 0 and act < 0.1:
                shared_clock.now += 4

    def look() -> None:
        maxsize = limits.get("maxsize", 6)
        assert entries(cache) <= maxsize + THREADS
        assert len(copy.copy(cache)) <= maxsize

    with beside(look):
        in_threads(work)
    check_whole(cache)
    cache.clear()
    assert entries(cache) == 0


@tight_cache
def test_many_threads_churn_few_keys_and_memory_is_bounded(
    shared_clock: SharedClock, limits: Limits
) -> None:
    cache: Any = AtomicCache(lambda _: Thing(), **limits)

    def work(number: int) -> None:
        for n in range(1000):
            cache[n % 3]
            if n % 5 == 0:
                shared_clock.now += 1
            cache.invalidate((n + number) % 3)

    in_threads(work)
    assert len(cache._entries.queue) < 100
    check_whole(cache)


def test_fills_may_fail_while_others_are_evicted(seed: int) -> None:
    def fill(key: int) -> int:
        if key % 3 == 0:
            raise FailedError(key)
        return key

    cache: Any = AtomicCache(fill, maxsize=2)

    def work(number: int) -> None:
        choose = random.Random(seed + number)
        for _ in range(1000):
            key = choose.randrange(12)
            with contextlib.suppress(FailedError):
                assert cache[key] == key
            if choose.random() < 0.1:
                cache.invalidate(key)

    in_threads(work)
    assert not any(key % 3 == 0 for key in cache)
    assert entries(cache) <= 2

# SPDX-License-Identifier: Apache-2.0
"""AtomicCache by many threads: one fill for each key, and what was invalidated is never seen."""

from __future__ import annotations

import contextlib
import copy
import functools
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import pytest
from cereggii import AtomicCache

from tools.testing.concurrency import (
    PATIENCE,
    FailedError,
    Gate,
    Task,
    Thing,
    background,
    give_time_to_block,
    meet,
    run_threads,
)

from .caches import caches_go_by

pytestmark = [
    pytest.mark.thread_unsafe(reason="has threads of its own"),
    pytest.mark.usefixtures("switch_often"),
]

THREADS = 4

Limits: TypeAlias = dict[str, Any]
# Limits that are never reached, but for the work that they make.
LIMITS: dict[str, Limits] = {
    "no limits": {},
    "ttl": {"ttl": 1e9},
    "maxsize": {"maxsize": 10_000},
    "ttl and maxsize": {"ttl": 1e9, "maxsize": 10_000},
}
every_cache = pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
# For tests that take their time: with the most limits, and with none.
both_caches = pytest.mark.parametrize(
    "limits", [LIMITS["no limits"], LIMITS["ttl and maxsize"]], ids=["no limits", "limits"]
)

# Limits that are reached over and over, by the keys and the clock of a test.
TIGHT: dict[str, Limits] = {
    "ttl": {"ttl": 10},
    "maxsize 1": {"maxsize": 1},
    "maxsize 3": {"maxsize": 3},
    "ttl and maxsize 2": {"ttl": 10, "maxsize": 2},
}
tight_cache = pytest.mark.parametrize("limits", TIGHT.values(), ids=TIGHT)


class Clock:
    """A clock that goes when it is told to."""

    now = 1000.0


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The clock by which caches go."""
    with caches_go_by(Clock()) as clock:
        yield clock


def in_threads(work: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """Run work(number) in as many threads as there are numbers, which start at the same time."""
    return run_threads(*(functools.partial(work, number) for number in range(threads)))


@contextlib.contextmanager
def beside(*works: Callable[[], Any]) -> Iterator[None]:
    """Call each of the works again and again, in a thread of its own, while the body runs."""
    done = threading.Event()

    def repeat(work: Callable[[], Any]) -> None:
        while not done.is_set():
            work()

    with background(*(functools.partial(repeat, work) for work in works)):
        try:
            yield
        finally:
            done.set()


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


def test_after_each_expiry_one_computes(clock: Clock) -> None:
    keys, periods = 20, 30
    computed: list[int] = []

    def fill(key: int) -> Thing:
        computed.append(key)
        return Thing()

    def advance() -> None:
        clock.now += 11

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
def test_those_who_wait_get_what_was_computed_also_if_it_is_removed_at_once(
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
def test_if_a_fill_raises_one_of_those_who_wait_tries_next(
    limits: Limits, error: type[BaseException]
) -> None:
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
def test_who_would_close_a_circle_is_told_so(limits: Limits, caches: int, threads: int) -> None:
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


# ── invalidate ─────────────────────────────────────────────────────────────────────────────────


@both_caches
def test_an_invalidation_waits_for_the_fill_and_who_asks_then_gets_a_new_value(
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
def test_who_has_waited_long_enough_to_invalidate_leaves_and_nothing_is_changed(
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
    clock: Clock, limits: Limits
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
                clock.now += 3

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
def test_nor_is_it_seen_when_it_was_invalidated_as_soon_as_it_was_there(limits: Limits) -> None:
    """Although who computed it is still busy: the table grows, and it takes part in that."""
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


def test_what_is_used_all_the_time_stays() -> None:
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
    clock: Clock, limits: Limits, seed: int
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
                clock.now += 4

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
def test_many_threads_churn_few_keys_and_memory_is_bounded(clock: Clock, limits: Limits) -> None:
    cache: Any = AtomicCache(lambda _: Thing(), **limits)

    def work(number: int) -> None:
        for n in range(1000):
            cache[n % 3]
            if n % 5 == 0:
                clock.now += 1
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

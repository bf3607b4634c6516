# SPDX-License-Identifier: Apache-2.0
"""An AtomicCache drops values: expired ones, evicted ones, and those that are invalidated."""

from __future__ import annotations

import contextlib
import gc
import math
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any, TypeAlias

import pytest
from cereggii import AtomicCache
from cereggii.atomic_dict import atomic_cache
from hypothesis import given
from hypothesis import strategies as st

from tools.testing.concurrency import eventually
from tools.testing.lifetimes import collected

from .caches import (
    Clock,
    Computer,
    Limits,
    RefusalError,
    Thing,
    check_whole,
    every_cache,
    sized_cache,
)

# ── time to live ───────────────────────────────────────────────────────────────────────────────

timed_cache = pytest.mark.parametrize("limits", [{}, {"maxsize": 100}], ids=["ttl", "and maxsize"])


@timed_cache
def test_a_value_lives_as_long_as_it_is_to(clock: Clock, limits: Limits) -> None:
    fill = Computer()
    cache: Any = AtomicCache(fill, ttl=10, **limits)
    thing = cache["key"]
    for later in (0, 5, 4.9):
        clock.now += later
        assert cache["key"] is cache.get("key") is thing
        assert "key" in cache
        assert (len(cache), [*cache], [*cache.values()]) == (1, ["key"], [thing])
    clock.now += 0.2  # however often it was asked for
    assert "key" not in cache
    assert cache.get("key", "default") == "default"
    assert (len(cache), [*cache], cache.snapshot()) == (0, [], {})
    assert [*cache.keys()] == [*cache.values()] == [*cache.items()] == []
    assert fill.calls == ["key"]
    another = cache["key"]
    assert another is not thing
    assert cache["key"] is another
    clock.now += 9.9
    assert cache["key"] is another
    clock.now += 0.2
    assert cache["key"] is not another
    assert fill.calls == ["key"] * 3


@timed_cache
@pytest.mark.parametrize("ttl", [0, 0.0, False])
def test_a_value_that_does_not_live_is_computed_each_time(
    clock: Clock, limits: Limits, ttl: Any
) -> None:
    fill = Computer()
    cache: Any = AtomicCache(fill, ttl=ttl, **limits)
    for _ in range(3):
        assert isinstance(cache["key"], Thing)
        assert "key" not in cache
        assert len(cache) == 0
    cache.invalidate("key")
    assert fill.calls == ["key"] * 3


@timed_cache
def test_a_value_lives_from_when_it_was_computed(clock: Clock, limits: Limits) -> None:
    def fill(key: str) -> str:
        clock.now += 60
        return key

    cache: Any = AtomicCache(fill, ttl=10, **limits)
    cache["key"]
    clock.now += 9
    assert "key" in cache
    clock.now += 2
    assert "key" not in cache


@timed_cache
def test_each_value_has_a_time_of_its_own(clock: Clock, limits: Limits) -> None:
    cache: Any = AtomicCache(str, ttl=10, **limits)
    for key in range(5):
        cache[key]
        clock.now += 3
    assert sorted(cache) == [2, 3, 4]
    clock.now += 3
    assert sorted(cache) == [3, 4]
    cache.invalidate(4)
    assert cache.snapshot() == {3: "3"}


@timed_cache
def test_an_expired_value_is_freed_when_its_key_is_asked_for(clock: Clock, limits: Limits) -> None:
    cache: Any = AtomicCache(Computer(), ttl=10, **limits)
    of_old = [weakref.ref(cache[key]) for key in range(4)]
    clock.now += 11
    cache[0]
    cache.invalidate(1)
    assert collected(of_old[0])
    assert collected(of_old[1])
    cache.clear()
    assert all(map(collected, of_old))


# ── maxsize: the second-chance algorithm ───────────────────────────────────────────────────────


def test_for_one_too_many_the_oldest_goes() -> None:
    cache: Any = AtomicCache(str, maxsize=3)
    for key in range(10):
        cache[key]
        assert sorted(cache) == [*range(max(0, key - 2), key + 1)]
    check_whole(cache, 3)


def test_one_that_was_used_is_spared_and_counts_as_new() -> None:
    cache: Any = AtomicCache(str, maxsize=3)
    for key in "abca":
        cache[key]
    cache["d"]  # spares a: b goes
    assert sorted(cache) == ["a", "c", "d"]
    cache["e"]
    assert sorted(cache) == ["a", "d", "e"]
    cache["f"]  # a was spared once, and not used since
    assert sorted(cache) == ["d", "e", "f"]


def test_one_that_is_used_again_and_again_stays() -> None:
    fill = Computer()
    cache: Any = AtomicCache(fill, maxsize=3)
    for key in range(50):
        cache["often"]
        cache[key]
    assert fill.calls.count("often") == 1
    assert "often" in cache


def test_if_all_were_used_the_oldest_goes() -> None:
    cache: Any = AtomicCache(str, maxsize=3)
    for key in "abccba":
        cache[key]
    cache["d"]
    assert sorted(cache) == ["b", "c", "d"]
    cache["e"]  # none is any more
    assert sorted(cache) == ["c", "d", "e"]


def test_to_look_at_a_value_is_not_to_use_it() -> None:
    cache: Any = AtomicCache(str, maxsize=2)
    cache["a"], cache["b"]
    assert "a" in cache
    assert cache.snapshot() == dict(cache.items()) == {"a": "a", "b": "b"}
    cache["c"]
    assert sorted(cache) == ["b", "c"]


def test_a_cache_of_one_value_keeps_the_latest() -> None:
    fill = Computer()
    cache: Any = AtomicCache(fill, maxsize=1)
    for key in "aabbba":
        thing = cache[key]
        assert cache.snapshot() == {key: thing}
    assert fill.calls == ["a", "b", "a"]
    check_whole(cache, 1)


def test_a_removed_value_leaves_room() -> None:
    cache: Any = AtomicCache(str, maxsize=3)
    for key in "abc":
        cache[key]
    cache.invalidate("b")
    cache["d"]
    assert sorted(cache) == ["a", "c", "d"]
    cache.clear()
    for key in "efg":
        cache[key]
    assert sorted(cache) == ["e", "f", "g"]
    check_whole(cache, 3)


def test_a_value_that_comes_back_counts_as_new() -> None:
    cache: Any = AtomicCache(str, maxsize=3)
    for key in "abc":
        cache[key]
    cache.invalidate("a")
    cache["a"], cache["d"]
    assert sorted(cache) == ["a", "c", "d"]


def test_a_value_that_comes_and_goes_does_not_change_the_order_of_the_others() -> None:
    for churn in (*range(50), 500):
        cache: Any = AtomicCache(str, maxsize=10)
        for key in range(10):
            cache[key]
        for _ in range(churn):
            cache.invalidate(9)
            cache[9]
        for key in range(10, 15):
            cache[key]
            assert sorted(cache) == [*range(key - 9, key + 1)]


Step: TypeAlias = tuple[str, int]


@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.sampled_from(["ask", "ask", "invalidate"]), st.integers(0, 7))),
)
def test_the_algorithm_decides_which_values_stay(maxsize: int, steps: list[Step]) -> None:
    fill = Computer()
    cache: Any = AtomicCache(fill, maxsize=maxsize)
    queue: list[int] = []
    used: set[int] = set()
    computed: list[int] = []
    for act, key in steps:
        if act == "invalidate":
            cache.invalidate(key)
            used.discard(key)
            queue = [one for one in queue if one != key]
        else:
            cache[key]
            if key in queue:
                used.add(key)
            else:
                computed.append(key)
                if len(queue) == maxsize:
                    while queue[0] in used:
                        used.remove(queue[0])
                        queue.append(queue.pop(0))
                    queue.pop(0)
                queue.append(key)
        assert sorted(cache) == sorted(queue)
        assert len(cache) == len(queue)
    assert fill.calls == computed


def test_an_expired_value_does_not_keep_its_place(clock: Clock) -> None:
    """Its place is free even if the value was used before it expired."""
    cache: Any = AtomicCache(str, ttl=10, maxsize=3)
    for key in "aaa":
        cache[key]
    clock.now += 6
    cache["b"], cache["c"]
    clock.now += 6
    assert sorted(cache) == ["b", "c"]
    cache["d"]
    assert sorted(cache) == ["b", "c", "d"]
    clock.now += 20
    assert len(cache) == 0
    for key in "efgh":
        cache[key]
    assert sorted(cache) == ["f", "g", "h"]
    check_whole(cache, 3)


def test_a_value_computed_again_after_it_has_expired_counts_once(clock: Clock) -> None:
    cache: Any = AtomicCache(str, ttl=10, maxsize=3)
    for _ in range(20):
        for key in "abc":
            cache[key]
        assert sorted(cache) == ["a", "b", "c"]
        clock.now += 11
    check_whole(cache, 3)


def test_a_fill_may_ask_for_more_keys_than_there_is_place_for() -> None:
    for maxsize in (1, 2, 7):
        cache: Any = AtomicCache(
            lambda n: n if not isinstance(n, int) or n < 1 else cache[n - 1] + 1,  # noqa: B023
            maxsize=maxsize,
        )
        assert cache[30] == 30
        assert len(cache) == maxsize
        check_whole(cache, maxsize)


def test_a_finalizer_may_use_the_cache() -> None:
    asked: list[int] = []

    class Asking:
        def __init__(self, key: int) -> None:
            self.key = key

        def __del__(self) -> None:
            if cache is not None and self.key < 5:
                cache[self.key + 100]
                cache.invalidate(self.key + 50)
                asked.append(self.key)

    cache: Any = AtomicCache(Asking, maxsize=2)
    for key in range(20):
        cache[key]
    assert len(cache) <= 2
    assert eventually(lambda: gc.collect() is not None and sorted(asked) == [*range(5)], timeout=10)
    for key in range(200, 210):
        cache[key]
    assert sorted(cache) == [208, 209]
    cache = None


class Grumpy:
    """A key that, when told to, does not let itself be compared."""

    refuses = False

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        if self.refuses or (isinstance(other, Grumpy) and other.refuses):
            raise RefusalError(self.name)
        return isinstance(other, Grumpy) and self.name == other.name

    def __hash__(self) -> int:
        return 5


@every_cache
def test_an_exception_of_a_key_propagates_and_changes_nothing(limits: Limits) -> None:
    cache: Any = AtomicCache(lambda _: Thing(), **limits)
    first, twin = Grumpy("a"), Grumpy("a")
    thing = cache[first]
    first.refuses = True
    for act in (cache.__getitem__, cache.__contains__, cache.get, cache.invalidate):
        with pytest.raises(RefusalError, match="a"):
            act(twin)
    first.refuses = False
    assert cache.snapshot() == {twin: thing}
    assert cache[twin] is thing


def test_a_key_that_cannot_be_compared_when_it_is_to_go_stays_in_order() -> None:
    cache: Any = AtomicCache(lambda _: Thing(), maxsize=2)
    first, second = Grumpy("a"), Grumpy("b")
    cache[first], cache[second], cache[first]
    first.refuses = True
    with contextlib.suppress(RefusalError):
        cache["new"]  # the second has to go, and is compared to the first
    first.refuses = False
    cache["newer"]
    check_whole(cache, 2)


class Interrupt:
    """Raises RefusalError before the line of the module that has this number among those run."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, frame: FrameType, event: str, _argument: object) -> Any:
        if frame.f_code.co_filename != atomic_cache.__file__:
            return None
        if event == "line":
            self.left -= 1
            if self.left == 0:
                raise RefusalError("interrupted")
        return self

    def __enter__(self) -> Interrupt:
        self.before = sys.gettrace()
        sys.settrace(self)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self.before)


@pytest.mark.thread_unsafe(reason="traces the program")
@pytest.mark.parametrize("maxsize", [1, 3])
def test_an_exception_at_any_moment_leaves_a_cache_that_works(maxsize: int) -> None:
    """There are not too many values for it, however often it comes."""
    # In a thread of its own: an exception of a trace function may stay in the state of the thread,
    # as one that is being handled, and would be the context of those of other tests.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(interrupt_at_any_moment, maxsize).result()


def interrupt_at_any_moment(maxsize: int) -> None:
    cache: Any = AtomicCache(lambda _: Thing(), maxsize=maxsize)
    number = 0
    came_through = False
    while not came_through:
        number += 1
        with contextlib.suppress(RefusalError), Interrupt(number):
            for name in ("a", "a", "b", "c", "d", "b"):
                cache[name, number]
            cache.invalidate(("d", number))
            came_through = True
    assert number > 50
    for key in range(10):
        assert cache[key] is cache[key]
    assert len(cache) <= maxsize
    cache.clear()
    assert len(cache) == 0


# ── memory ─────────────────────────────────────────────────────────────────────────────────────


@every_cache
def test_the_size_counts_what_the_cache_has(limits: Limits) -> None:
    cache: Any = AtomicCache(Computer(), **limits)
    empty = cache.__sizeof__()
    for key in range(1000):
        cache[key]
    held = cache.__sizeof__() - empty
    # A slot and a node of the dict each; with limits an object, too.
    assert held >= len(cache) * (32 if not limits else 100)
    cache.clear()
    assert cache.__sizeof__() < empty + held / 2


@every_cache
def test_a_removed_value_is_freed(limits: Limits) -> None:
    cache: Any = AtomicCache(Computer(), **limits)
    invalidated = weakref.ref(cache["a"])
    cache.invalidate("a")
    assert collected(invalidated)
    others = [weakref.ref(cache[key]) for key in range(10)]
    cache.clear()
    assert all(map(collected, others))


def test_an_evicted_value_is_freed() -> None:
    cache: Any = AtomicCache(Computer(), maxsize=3)
    references = [weakref.ref(cache[key]) for key in range(10)]
    assert all(map(collected, references[:-3]))
    assert all(reference() is not None for reference in references[-3:])


@sized_cache
def test_values_that_come_and_go_take_no_memory(limits: Limits) -> None:
    """The cache has places for many more."""
    cache: Any = AtomicCache(Computer(), **limits)
    references = []
    for _ in range(3000):
        references.append(weakref.ref(cache["key"]))
        cache.invalidate("key")
    gc.collect()
    assert sum(reference() is not None for reference in references) < 100
    assert len(cache._entries.queue) < 3000


def test_a_small_cache_stays_small() -> None:
    cache: Any = AtomicCache(str, maxsize=5)
    for number in range(5000):
        key = number % 3
        cache[key]
        cache.invalidate(key)
    assert len(cache._entries.queue) < 50


# ── invalidate, clear ──────────────────────────────────────────────────────────────────────────


@every_cache
def test_a_read_after_an_invalidation_gets_a_new_value(limits: Limits) -> None:
    fill = Computer()
    cache: Any = AtomicCache(fill, **limits)
    old, other = cache["key"], cache["other"]
    assert cache.invalidate("key") is None
    assert "key" not in cache
    assert [*cache] == ["other"]
    assert cache["key"] is not old
    assert cache["other"] is other
    assert fill.calls == ["key", "other", "key"]


@every_cache
def test_to_invalidate_what_is_not_there_does_nothing(limits: Limits) -> None:
    cache: Any = AtomicCache(str, **limits)
    cache.invalidate("absent")
    cache[1]
    cache.invalidate("absent")
    cache.invalidate("absent", 0)
    cache.invalidate(key="absent", timeout=None)
    assert cache.snapshot() == {1: "1"}


@every_cache
def test_clear_removes_all_values(limits: Limits) -> None:
    fill = Computer()
    cache: Any = AtomicCache(fill, **limits)
    old = [cache[key] for key in range(20)]
    cache.clear()
    assert cache.snapshot() == {}
    assert cache[5] is not old[5]
    assert [*cache] == [5]


@every_cache
def test_a_timeout_is_a_number_of_seconds(limits: Limits) -> None:
    cache: Any = AtomicCache(str, **limits)
    cache[1]
    for bad, error in (("5", TypeError), (-1, ValueError), (math.nan, ValueError)):
        with pytest.raises(error, match="timeout"):
            cache.invalidate(1, timeout=bad)
    assert cache.snapshot() == {1: "1"}
    cache.invalidate(1, timeout=0)
    assert cache.snapshot() == {}


@every_cache
def test_a_fill_cannot_invalidate_what_it_computes(limits: Limits) -> None:
    def fill(key: str) -> str:
        cache.invalidate(key)
        return key

    cache: Any = AtomicCache(fill, **limits)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="'key'"):
            cache["key"]
        assert len(cache) == 0


@every_cache
def test_a_fill_may_invalidate_other_keys(limits: Limits) -> None:
    def fill(key: Any) -> Any:
        if key == "all":
            for other in (1, 2, "absent"):
                cache.invalidate(other)
            cache[1]
        return Thing()

    cache: Any = AtomicCache(fill, **limits)
    old = cache[1], cache[2]
    cache["all"]
    assert {*cache} == {1, "all"}
    assert cache[1] not in old

# SPDX-License-Identifier: Apache-2.0
"""AtomicCache by one thread: what it computes and keeps, what it lets go, and memoization."""

from __future__ import annotations

import contextlib
import copy
import functools
import gc
import math
import operator
import pickle
import re
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from decimal import Decimal
from types import FrameType, SimpleNamespace
from typing import Any, TypeAlias

import pytest
from cereggii import ANY, EXPECTATION_FAILED, NOT_FOUND, AtomicCache, AtomicDict
from cereggii.atomic_dict import atomic_cache
from hypothesis import given
from hypothesis import strategies as st

from tools.testing.concurrency import eventually

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
    """Each is another, and can be referred to weakly."""


class RefusalError(Exception):
    """What fills and keys raise."""


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


@pytest.fixture
def clock() -> Iterator[Clock]:
    """The clock by which caches go."""
    clock = Clock()
    module: Any = atomic_cache
    before = module.time
    module.time = SimpleNamespace(monotonic=lambda: clock.now)
    yield clock
    module.time = before


def refuse(_key: Any) -> Any:
    raise RefusalError("computed")


def collected(reference: weakref.ref[Any]) -> bool:
    """Whether the object is freed; the collector does nothing while another thread collects."""

    def gone() -> bool:
        gc.collect()
        return reference() is None

    return eventually(gone, timeout=10)


def check_whole(cache: AtomicCache[Any, Any], maxsize: int) -> None:
    """Whether the cache still has place for as many values as it should, and not for one more."""
    assert len(cache) <= maxsize
    fresh = [("fresh", number) for number in range(3 * maxsize)]
    for key in fresh:
        cache[key]
    assert sorted(cache) == sorted(fresh[-maxsize:])


# ── once ───────────────────────────────────────────────────────────────────────────────────────


@every_cache
def test_a_value_is_computed_when_it_is_first_asked_for_and_then_kept(limits: Limits) -> None:
    fill = Computer()
    cache: Any = AtomicCache(fill, **limits)
    key = ("a", "tuple")
    thing = cache[key]
    assert cache[key] is cache["a", "tuple"] is thing
    assert cache["b"] is not thing
    assert fill.calls == [key, "b"]
    assert fill.calls[0] is key


@every_cache
def test_equal_keys_are_the_same_and_the_first_one_stays(limits: Limits) -> None:
    fill = Computer()
    cache: Any = AtomicCache(fill, **limits)
    assert cache[1.0] is cache[1] is cache[True]
    assert [type(key) for key in cache] == [float]
    assert [type(key) for key in cache.snapshot()] == [float]
    assert len(fill.calls) == 1


@every_cache
@pytest.mark.parametrize("value", [None, False, 0, (), NotImplemented, ...])
def test_any_object_is_a_value_like_others(limits: Limits, value: object) -> None:
    calls = []
    cache: Any = AtomicCache(lambda key: calls.append(key) or value, **limits)  # type: ignore[func-returns-value]
    assert cache["key"] is cache["key"] is cache.get("key", "default") is value
    assert "key" in cache
    assert calls == ["key"]


@every_cache
def test_looking_computes_nothing(limits: Limits) -> None:
    cache: Any = AtomicCache(refuse, **limits)
    assert "key" not in cache
    assert len(cache) == cache.approx_len() == 0
    assert cache.get("key") is None
    assert cache.get("key", "default") == cache.get("key", default="default") == "default"
    assert [*cache] == [*cache.keys()] == [*cache.values()] == [*cache.items()] == []
    assert cache.snapshot() == dict(cache) == {**cache} == {}
    assert len(copy.copy(cache)) == 0
    cache.invalidate("key")
    cache.clear()
    assert "0 values" in repr(cache)


@every_cache
def test_what_was_computed_is_shown(limits: Limits) -> None:
    cache: Any = AtomicCache(str, **limits)
    for key in (1, 2, 2):
        cache[key]
    values = {1: "1", 2: "2"}
    assert 1 in cache
    assert 3 not in cache
    assert len(cache) == cache.approx_len() == 2
    assert cache.len_bounds() == (2, 2)
    assert (cache.get(1), cache.get(3), cache.get(3, 5)) == ("1", None, 5)
    assert sorted(cache) == sorted(cache.keys()) == [1, 2]
    assert sorted(cache.values()) == ["1", "2"]
    assert dict(cache.items()) == dict(cache) == {**cache} == values
    snapshot = cache.snapshot()
    assert type(snapshot) is dict
    assert snapshot == values
    snapshot.clear()
    cache[3]
    assert len(cache) == 3


@every_cache
def test_the_items_that_are_shown_can_be_gone_through_while_the_cache_changes(
    limits: Limits,
) -> None:
    cache: Any = AtomicCache(str, **limits)
    for key in range(20):
        cache[key]
    for shown in (cache, cache.keys(), cache.values(), cache.items()):
        for index, _ in enumerate(shown):
            cache[100 + index]
            cache.invalidate(index)
    assert 100 in cache


@every_cache
def test_a_fill_may_ask_for_other_keys(limits: Limits) -> None:
    calls = []

    def fill(n: int) -> int:
        calls.append(n)
        return n if n < 2 else cache[n - 1] + cache[n - 2]

    cache: Any = AtomicCache(fill, **limits)
    assert cache[60] == 1548008755920
    assert sorted(calls) == sorted(cache) == [*range(61)]


@every_cache
def test_a_fill_sees_the_cache_without_the_value(limits: Limits) -> None:
    seen: list[Any] = []

    def fill(key: str) -> str:
        seen.extend([key in cache, len(cache), cache.snapshot(), cache.get(key)])
        cache.clear()
        return "value"

    cache: Any = AtomicCache(fill, **limits)
    assert cache["key"] == "value"
    assert seen == [False, 0, {}, None]
    assert cache.snapshot() == {"key": "value"}


@every_cache
def test_keys_have_to_be_hashable(limits: Limits) -> None:
    cache: Any = AtomicCache(refuse, **limits)
    for act in (cache.__getitem__, cache.__contains__, cache.get, cache.invalidate):
        with pytest.raises(TypeError, match="unhashable"):
            act([])


@every_cache
@pytest.mark.parametrize("sentinel", [NOT_FOUND, ANY, EXPECTATION_FAILED])
def test_sentinels_are_neither_keys_nor_values(limits: Limits, sentinel: Any) -> None:
    cache: Any = AtomicCache(lambda _: sentinel, **limits)
    with pytest.raises(ValueError, match=repr(sentinel)):
        cache[sentinel]
    with pytest.raises(ValueError, match=repr(sentinel)):
        cache["key"]
    assert len(cache) == 0


# ── only the fill writes ───────────────────────────────────────────────────────────────────────

REFUSED: dict[str, Callable[[Any], Any]] = {
    "[]=": lambda cache: cache.__setitem__(1, 5),
    "del": lambda cache: cache.__delitem__(1),
    "|=": lambda cache: cache.__ior__({1: 5}),
    "|": lambda cache: cache | {1: 5},
    "| of a dict": lambda cache: {1: 5} | cache,
    "batch_getitem": lambda cache: cache.batch_getitem({1: 5, 2: 5}),
    "compare_and_delete": lambda cache: cache.compare_and_delete(1, "1"),
    "compare_and_exchange": lambda cache: cache.compare_and_exchange(1, "1", 5),
    "compare_and_set": lambda cache: cache.compare_and_set(1, expected="1", updated=5),
    "compute": lambda cache: cache.compute(1, lambda *_: 5),
    "copy": lambda cache: cache.copy(),
    "fast_iter": lambda cache: cache.fast_iter(partitions=2),
    "get_and_set": lambda cache: cache.get_and_set(1, 5),
    "get_handle": lambda cache: cache.get_handle(),
    "get_or_compute": lambda cache: cache.get_or_compute(2, lambda _: 5),
    "merge": lambda cache: cache.merge(1, 5, lambda *_: 5),
    "pop": lambda cache: cache.pop(1),
    "pop with default": lambda cache: cache.pop(2, None),
    "popitem": lambda cache: cache.popitem(),
    "reduce": lambda cache: cache.reduce([(1, 5)], lambda *_: 5),
    "reduce_and": lambda cache: cache.reduce_and([(1, True)]),
    "reduce_count": lambda cache: cache.reduce_count([2]),
    "reduce_list": lambda cache: cache.reduce_list([(2, 5)]),
    "reduce_max": lambda cache: cache.reduce_max([(2, 5)]),
    "reduce_min": lambda cache: cache.reduce_min([(2, 5)]),
    "reduce_or": lambda cache: cache.reduce_or([(2, True)]),
    "reduce_sum": lambda cache: cache.reduce_sum([(2, 5)]),
    "remove_if": lambda cache: cache.remove_if(lambda *_: True),
    "reserve": lambda cache: cache.reserve(100),
    "setdefault": lambda cache: cache.setdefault(2, 5),
    "update": lambda cache: cache.update({1: 5}, a=5),
}


@every_cache
@pytest.mark.parametrize("act", REFUSED.values(), ids=REFUSED)
def test_what_else_would_write_is_refused(limits: Limits, act: Callable[[Any], Any]) -> None:
    asked: list[int] = []
    cache: Any = AtomicCache(lambda key: asked.append(key) or str(key), **limits)  # type: ignore[func-returns-value]
    value = cache[1]
    with pytest.raises(NotImplementedError, match=r"AtomicCache\.\w+: only the cache itself"):
        act(cache)
    assert cache.snapshot() == {1: "1"}
    assert cache[1] is value
    assert asked == [1]


@every_cache
def test_what_is_refused_says_so_by_the_name_of_the_subclass(limits: Limits) -> None:
    class Mine(AtomicCache[Any, Any]):
        pass

    cache = Mine(str, **limits)
    with pytest.raises(NotImplementedError, match=r"^Mine\.__setitem__: "):
        cache[1] = 5
    with pytest.raises(NotImplementedError, match=r"^Mine\.setdefault: "):
        cache.setdefault(1, 5)
    assert AtomicCache.setdefault.__name__ == "setdefault"
    assert AtomicCache.setdefault.__qualname__ == "AtomicCache.setdefault"
    assert AtomicCache.setdefault.__doc__ is not None


def test_no_method_of_a_dict_is_forgotten() -> None:
    """Each is the cache's own, or one of those that write nothing."""
    harmless = {"approx_len", "fromkeys", "len_bounds"}
    public = {name for name in dir(AtomicDict) if not name.startswith("_")}
    assert public - {*vars(AtomicCache)} <= harmless


# ── arguments ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fill", [5, None, "fill", {}])
def test_a_fill_is_to_be_callable(fill: Any) -> None:
    with pytest.raises(TypeError, match=f"fill must be callable, not {fill!r}"):
        AtomicCache(fill)


@pytest.mark.parametrize("ttl", [-1, -0.5, -(2**70), -math.inf, math.nan])
def test_a_ttl_is_not_negative(ttl: Any) -> None:
    with pytest.raises(ValueError, match=f"ttl must be .*, not {ttl!r}"):
        AtomicCache(str, ttl)
    with pytest.raises(ValueError, match="ttl"):
        AtomicCache.memoize(ttl=ttl)(str)


@pytest.mark.parametrize("ttl", ["5", b"5", [], 5j, object()])
def test_a_ttl_is_a_number(ttl: Any) -> None:
    with pytest.raises(TypeError, match=re.escape(repr(ttl))):
        AtomicCache(str, ttl=ttl)


@pytest.mark.parametrize("ttl", [10, 10.0, Decimal(10)])
def test_a_ttl_may_be_any_kind_of_number(clock: Clock, ttl: Any) -> None:
    cache: Any = AtomicCache(str, ttl=ttl)
    cache[1]
    clock.now += 9
    assert 1 in cache
    clock.now += 2
    assert 1 not in cache


def test_a_ttl_may_be_infinite(clock: Clock) -> None:
    cache: Any = AtomicCache(str, ttl=math.inf)
    cache[1]
    clock.now += 1e12
    assert 1 in cache
    assert 1 in copy.copy(cache)


@pytest.mark.parametrize("maxsize", [0, -1, -(2**70), False])
def test_a_maxsize_is_positive(maxsize: Any) -> None:
    with pytest.raises(ValueError, match=f"maxsize must be .*, not {maxsize!r}"):
        AtomicCache(str, maxsize=maxsize)
    with pytest.raises(ValueError, match="maxsize"):
        AtomicCache.memoize(maxsize=maxsize)(str)


@pytest.mark.parametrize("maxsize", ["5", 1.5, 2.0, [], math.inf])
def test_a_maxsize_is_an_int(maxsize: Any) -> None:
    with pytest.raises(TypeError, match=re.escape(repr(maxsize))):
        AtomicCache(str, maxsize=maxsize)


def test_a_maxsize_is_what_the_index_of_an_object_is_then() -> None:
    class Two:
        def __index__(self) -> int:
            return 2

    cache: Any = AtomicCache(str, maxsize=Two())  # type: ignore[arg-type]
    check_whole(cache, 2)
    check_whole(AtomicCache(str, maxsize=True), 1)
    assert AtomicCache(str, maxsize=2**70)[5] == "5"


def test_limits_are_given_by_position_or_by_name() -> None:
    for cache in (AtomicCache(str, 5.0, 2), AtomicCache(maxsize=2, ttl=5.0, fill=str)):
        assert "ttl=5.0, maxsize=2" in repr(cache)
    make: Any = AtomicCache
    for bad in ({"immortality": True}, {"initial": ()}):
        with pytest.raises(TypeError):
            make(str, **bad)
    with pytest.raises(TypeError):
        make()


@every_cache
def test_a_cache_is_constructed_once(limits: Limits) -> None:
    cache: Any = AtomicCache(str, **limits)
    cache[1]
    with pytest.raises(RuntimeError, match="already"):
        cache.__init__(refuse)
    assert cache[1] == "1"
    assert cache[2] == "2"


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
def test_what_has_expired_is_freed_when_its_key_is_asked_for(clock: Clock, limits: Limits) -> None:
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


def test_what_was_removed_leaves_room() -> None:
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


def test_what_comes_back_counts_as_new() -> None:
    cache: Any = AtomicCache(str, maxsize=3)
    for key in "abc":
        cache[key]
    cache.invalidate("a")
    cache["a"], cache["d"]
    assert sorted(cache) == ["a", "c", "d"]


def test_what_comes_and_goes_does_not_change_the_order_of_the_others() -> None:
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
def test_what_stays_is_what_the_algorithm_says(maxsize: int, steps: list[Step]) -> None:
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


def test_what_has_expired_does_not_keep_its_place(clock: Clock) -> None:
    """Neither for ever, nor if it was used."""
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


def test_what_is_computed_anew_after_it_has_expired_counts_once(clock: Clock) -> None:
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
def test_what_keys_raise_propagates_and_changes_nothing(limits: Limits) -> None:
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
def test_what_comes_at_any_moment_as_from_a_signal_leaves_a_cache_that_works(maxsize: int) -> None:
    """There are not too many values for it, however often it comes."""
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
def test_what_was_removed_is_freed(limits: Limits) -> None:
    cache: Any = AtomicCache(Computer(), **limits)
    invalidated = weakref.ref(cache["a"])
    cache.invalidate("a")
    assert collected(invalidated)
    others = [weakref.ref(cache[key]) for key in range(10)]
    cache.clear()
    assert all(map(collected, others))


def test_what_had_to_go_is_freed() -> None:
    cache: Any = AtomicCache(Computer(), maxsize=3)
    references = [weakref.ref(cache[key]) for key in range(10)]
    assert all(map(collected, references[:-3]))
    assert all(reference() is not None for reference in references[-3:])


@sized_cache
def test_values_that_come_and_go_take_no_memory(limits: Limits) -> None:
    """Although there is place for many more."""
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
def test_who_asks_after_an_invalidation_gets_a_new_value(limits: Limits) -> None:
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


# ── failures ───────────────────────────────────────────────────────────────────────────────────


@every_cache
@pytest.mark.parametrize(
    "error", [RefusalError, KeyError, StopIteration, KeyboardInterrupt, SystemExit, GeneratorExit]
)
def test_what_a_fill_raises_is_not_cached(limits: Limits, error: type[BaseException]) -> None:
    raised: list[BaseException] = []

    def fill(key: Any) -> Any:
        if len(raised) == 2:
            return Thing()
        raised.append(error(key))
        raise raised[-1]

    cache: Any = AtomicCache(fill, **limits)
    for attempt in range(2):
        with pytest.raises(error) as caught:
            cache["key"]
        assert caught.value is raised[attempt]
        assert "key" not in cache
        assert len(cache) == 0
    assert cache["key"] is cache["key"]


@every_cache
def test_a_value_that_cannot_be_computed_anew_is_gone(limits: Limits) -> None:
    works = [True]
    cache: Any = AtomicCache(lambda key: Thing() if works[0] else refuse(key), **limits)
    cache["key"]
    works[0] = False
    assert isinstance(cache["key"], Thing)
    cache.invalidate("key")
    with pytest.raises(RefusalError):
        cache["key"]
    assert len(cache) == 0


def test_a_fill_that_fails_makes_no_room() -> None:
    cache: Any = AtomicCache(lambda key: refuse(key) if key == "bad" else Thing(), maxsize=2)
    cache["a"], cache["b"]
    for _ in range(5):
        with pytest.raises(RefusalError):
            cache["bad"]
    assert sorted(cache) == ["a", "b"]
    check_whole(cache, 2)


def test_what_expired_is_gone_also_if_it_cannot_be_computed_anew(clock: Clock) -> None:
    works = [True]
    cache: Any = AtomicCache(lambda key: Thing() if works[0] else refuse(key), ttl=10, maxsize=2)
    cache["key"]
    clock.now += 11
    works[0] = False
    with pytest.raises(RefusalError):
        cache["key"]
    assert "key" not in cache
    works[0] = True
    check_whole(cache, 2)


# ── recursion ──────────────────────────────────────────────────────────────────────────────────


@every_cache
def test_a_fill_that_asks_for_its_own_value_is_told_so(limits: Limits) -> None:
    cache: Any = AtomicCache(lambda key: cache[key], **limits)
    with pytest.raises(RuntimeError, match="'key'"):
        cache["key"]
    assert len(cache) == 0
    circle: AtomicCache[int, Any] = AtomicCache(lambda key: circle[(key + 1) % 5], **limits)
    with pytest.raises(RuntimeError, match="own value"):
        circle[3]
    assert len(circle) == 0


@every_cache
def test_a_circle_through_another_cache_is_found(limits: Limits) -> None:
    first: AtomicCache[Any, Any] = AtomicCache(lambda key: second[key], **limits)
    second: AtomicCache[Any, Any] = AtomicCache(lambda key: first[key])
    with pytest.raises(RuntimeError, match="own value"):
        first["key"]
    with pytest.raises(RuntimeError, match="own value"):
        second["key"]
    assert len(first) == len(second) == 0


@every_cache
def test_a_fill_may_do_without_the_value_that_it_cannot_have(limits: Limits) -> None:
    def fill(key: Any) -> Any:
        try:
            return cache[key]
        except RuntimeError:
            return "found by itself"

    cache: Any = AtomicCache(fill, **limits)
    assert cache["key"] == "found by itself"
    assert cache.snapshot() == {"key": "found by itself"}


@every_cache
def test_a_recursion_without_end_is_an_error_and_leaves_nothing(limits: Limits) -> None:
    cache: Any = AtomicCache(lambda key: cache[key + 1] if key else 0, **limits)
    with pytest.raises(RecursionError):
        cache[1]
    assert len(cache) == 0
    assert cache[0] == 0


# ── memoization ────────────────────────────────────────────────────────────────────────────────


def counted(limits: Limits) -> tuple[Any, list[tuple[Any, ...]]]:
    """A memoized function, and the list of the calls that were not answered from the cache."""
    calls: list[tuple[Any, ...]] = []

    @AtomicCache.memoize(**limits)
    def function(*args: Any, **kwargs: Any) -> Thing:
        calls.append((args, kwargs))
        return Thing()

    return function, calls


@every_cache
def test_a_memoized_function_is_called_once_for_the_same_arguments(limits: Limits) -> None:
    function, calls = counted(limits)
    arguments: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((), {}),
        ((1,), {}),
        (((1,),), {}),
        ((1, 2), {}),
        ((2, 1), {}),
        ((1, ("b", 2)), {}),
        ((1,), {"b": 2}),
        ((), {"a": 1, "b": 2}),
        ((), {"a": 1}),
        ((None,), {}),
        ((("a", 1),), {}),
    ]
    things = [function(*args, **kwargs) for args, kwargs in arguments]
    assert len({*things}) == len(arguments)
    assert [function(*args, **kwargs) for args, kwargs in arguments] == things
    assert calls == arguments


@every_cache
def test_the_order_of_keywords_is_of_no_matter(limits: Limits) -> None:
    function, calls = counted(limits)
    assert function(1, a=2, b="x", c=None) is function(1, c=None, b="x", a=2)
    function.invalidate(1, b="x", c=None, a=2)
    function(1, a=2, c=None, b="x")
    assert len(calls) == 2


def test_keywords_of_any_name_are_the_function_s() -> None:
    function, calls = counted({})
    names = {"self": 1, "cls": 2, "key": 3, "args": 4, "func": 5, "timeout": 6, "fill": 7}
    assert function(**names) is function(**names)
    function.invalidate(**names)
    function(**names)
    assert calls == [((), names)] * 2


@every_cache
def test_one_result_or_all_can_be_forgotten(limits: Limits) -> None:
    function, calls = counted(limits)
    first, second, third = function(1), function(2), function(2, x=3)
    function.invalidate(1)
    function.invalidate(5)
    assert function(2) is second
    assert function(2, x=3) is third
    assert function(1) is not first
    function.invalidate(2, x=3)
    assert function(2) is second
    assert function(2, x=3) is not third
    function.clear()
    assert function(2) is not second
    assert len(calls) == 6


@every_cache
def test_arguments_have_to_be_hashable(limits: Limits) -> None:
    function, calls = counted(limits)
    for act in (function, function.invalidate):
        with pytest.raises(TypeError, match="unhashable"):
            act([])
        with pytest.raises(TypeError, match="unhashable"):
            act(x={})
    assert calls == []


@every_cache
def test_a_memoized_function_may_call_itself(limits: Limits) -> None:
    calls = []

    @AtomicCache.memoize(**limits)
    def fib(n: int) -> int:
        calls.append(n)
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    assert fib(60) == 1548008755920
    assert sorted(calls) == [*range(61)]

    @AtomicCache.memoize(**limits)
    def forever(n: int) -> int:
        return forever(n)

    with pytest.raises(RuntimeError, match="own value"):
        forever(5)


def test_the_limits_are_those_of_the_results(clock: Clock) -> None:
    function, calls = counted({"ttl": 10, "maxsize": 2})
    for n in (1, 2, 3, 3, 2):
        function(n)
    assert len(calls) == 3
    function(1)
    assert len(calls) == 4
    clock.now += 11
    function(1)
    assert len(calls) == 5


def test_what_a_memoized_function_raises_is_not_cached() -> None:
    calls = []

    @AtomicCache.memoize
    def function(n: int) -> Any:
        calls.append(n)
        raise RefusalError(n)

    for _ in range(2):
        with pytest.raises(RefusalError, match="5"):
            function(5)
    with pytest.raises(TypeError, match="argument"):
        function()
    assert calls == [5, 5]


def test_a_function_can_be_memoized_in_every_way() -> None:
    def function(n: int) -> str:
        return f"{n}"

    for memoized in (
        AtomicCache.memoize(function),
        AtomicCache.memoize()(function),
        AtomicCache.memoize(ttl=60.0)(function),
        AtomicCache.memoize(60.0)(function),
        AtomicCache.memoize(60.0, 10)(function),
        AtomicCache.memoize(maxsize=10)(function),
        AtomicCache.MemoizedFunction(AtomicCache, function, ttl=60.0),  # type: ignore[attr-defined]
    ):
        assert type(memoized) is AtomicCache.MemoizedFunction  # type: ignore[attr-defined]
        assert memoized(5) is memoized(5)
        assert memoized(5) == "5"
        memoized.invalidate(5)
        assert memoized(5) == "5"
    assert AtomicCache.memoize(Thing)() is not AtomicCache.memoize(Thing)()
    memoize: Any = AtomicCache.memoize
    with pytest.raises(TypeError, match="func must be callable, not 5"):
        memoize()(5)
    with pytest.raises(TypeError):
        memoize(speed=5)(function)


@AtomicCache.memoize(maxsize=10)
def memoized_here(n: int) -> Thing:
    """Says what it is."""
    return Thing()


def test_a_memoized_function_looks_like_the_function() -> None:
    function: Any = memoized_here
    assert function.__name__ == function.__qualname__ == "memoized_here"
    assert function.__doc__ == "Says what it is."
    assert function.__module__ == __name__
    assert function.__wrapped__(5) is not function.__wrapped__(5)
    assert "memoized_here" in repr(function)
    reference = weakref.ref(function)
    assert reference() is function

    def own(n: int) -> int:
        return n

    own.author = "somebody"  # type: ignore[attr-defined]
    function = AtomicCache.memoize(own)
    assert function.author == "somebody"
    assert AtomicCache.memoize(functools.partial(max, 5))(7) == 7


def test_attributes_of_the_function_do_not_disturb() -> None:
    calls = []

    @AtomicCache.memoize(maxsize=1)
    @AtomicCache.memoize
    def twice(n: int) -> int:
        calls.append(n)
        return n

    assert [twice(1), twice(2), twice(1)] == [1, 2, 1]
    assert calls == [1, 2]
    twice.invalidate(1)  # of the outer cache; the inner one has it still
    twice(1)
    assert calls == [1, 2]

    def other(n: int) -> int:
        return n

    other.cache = {}  # type: ignore[attr-defined]
    assert AtomicCache.memoize(other)(5) == 5


@pytest.mark.parametrize(
    "make_copy",
    [copy.copy, copy.deepcopy, lambda function: pickle.loads(pickle.dumps(function))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_a_memoized_function_is_copied_as_a_function(make_copy: Callable[[Any], Any]) -> None:
    assert make_copy(memoized_here) is memoized_here


class Account:
    """Of which the methods are memoized."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    @AtomicCache.memoize
    def method(self, n: int = 0, **kwargs: int) -> tuple[Any, ...]:
        """Says what it does."""
        return (self, n, kwargs)

    @property
    @AtomicCache.memoize
    def attribute(self) -> list[Any]:
        return [self]


class Savings(Account):
    pass


def test_a_method_has_results_of_each_instance() -> None:
    one, other = Account(), Savings()
    found = one.method(5)
    assert found == (one, 5, {})
    assert one.method(5) is found
    assert Account.method(one, 5) is found
    assert other.method(5) == (other, 5, {})
    assert one.method() == (one, 0, {})
    assert one.method(5, a=1, b=2) is one.method(5, b=2, a=1)
    assert one.attribute is one.attribute
    assert one.attribute == [one]


def test_a_bound_method_forgets_a_result_of_its_instance() -> None:
    one, other = Account(), Account()
    old, kept, with_keyword = one.method(5), other.method(5), one.method(5, a=1)
    one.method.invalidate(5)
    assert one.method(5) is not old
    assert other.method(5) is kept
    assert one.method(5, a=1) is with_keyword
    one.method.invalidate(5, a=1)
    assert one.method(5, a=1) is not with_keyword
    Account.method.invalidate(other, 5)
    assert other.method(5) is not kept


def test_all_results_of_a_method_can_be_forgotten_by_way_of_any_instance() -> None:
    class Mine:
        @AtomicCache.memoize
        def method(self) -> Thing:
            return Thing()

    one, other = Mine(), Mine()
    old = one.method(), other.method()
    one.method.clear()
    assert one.method() is not old[0]
    assert other.method() is not old[1]


def test_class_methods_and_static_methods_can_be_memoized() -> None:
    class Base:
        @classmethod
        @AtomicCache.memoize
        def of_class(cls, n: int) -> tuple[Any, ...]:
            return (cls, n)

        @staticmethod
        @AtomicCache.memoize(maxsize=10)
        def of_none(n: int) -> tuple[Any, ...]:
            return (n,)

    class Derived(Base):
        pass

    found = Base.of_class(5)
    assert found == (Base, 5)
    assert Base().of_class(5) is Base.of_class(5) is found
    assert Derived.of_class(5) == (Derived, 5)
    # What a bound class method has for attributes is not the same in all releases of Python.
    memoized = vars(Base)["of_class"].__func__
    memoized.invalidate(Base, 5)
    assert Base.of_class(5) is not found
    alone = Base.of_none(5)
    assert Base().of_none(5) is Base.of_none(5) is Derived.of_none(5) is alone
    Base().of_none.invalidate(5)
    assert Base.of_none(5) is not alone


def test_a_bound_method_looks_like_one() -> None:
    one, other = Account("one"), Account("other")
    method: Any = one.method
    assert method.__self__ is one
    assert method.__func__ is Account.method
    assert method.__name__ == "method"
    assert method.__qualname__ == "Account.method"
    assert method.__doc__ == "Says what it does."
    assert method.__wrapped__ is Account.method.__wrapped__
    assert method == one.method
    assert hash(method) == hash(one.method)
    assert method != other.method
    with pytest.raises(AttributeError):
        method.unheard_of  # noqa: B018
    assert copy.copy(method) == method
    assert copy.copy(method)(5) is method(5)
    reference = weakref.ref(method)
    assert reference() is method
    copied = pickle.loads(pickle.dumps(method))
    assert copied.__self__.name == "one"
    assert copied.__func__ is Account.method


def test_the_results_of_a_method_keep_its_instances_alive_until_they_are_forgotten() -> None:
    class Mine:
        @AtomicCache.memoize
        def method(self) -> int:
            return 5

    instance = Mine()
    instance.method()
    reference = weakref.ref(instance)
    method = Mine.method
    del instance
    gc.collect()
    assert reference() is not None
    method.clear()
    assert collected(reference)


def test_a_memoized_function_of_a_subclass_has_a_cache_of_it() -> None:
    made: list[Any] = []

    class Mine(AtomicCache[Any, Any]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append((args[1:], kwargs))

    @Mine.memoize
    def bare(n: int) -> int:
        return n

    @Mine.memoize(60.0, maxsize=5)
    def limited(n: int) -> int:
        return n

    assert bare(5) == limited(5) == 5
    assert made == [((), {}), ((60.0,), {"maxsize": 5})]


# ── copies ─────────────────────────────────────────────────────────────────────────────────────

Copy: TypeAlias = Callable[[Any], Any]


def pickled(protocol: int) -> Copy:
    return lambda instance: pickle.loads(pickle.dumps(instance, protocol))


DEEP: dict[str, Copy] = {"deepcopy": copy.deepcopy} | {
    f"pickle {protocol}": pickled(protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
}
every_copy = pytest.mark.parametrize("make_copy", [copy.copy, *DEEP.values()], ids=["copy", *DEEP])
every_deep_copy = pytest.mark.parametrize("make_copy", [*DEEP.values()], ids=[*DEEP])


def listed(key: Any) -> list[Any]:
    return [key]


class Shop:
    """Has a cache that is filled by a method of its own."""

    def __init__(self) -> None:
        self.prices = AtomicCache(self.price)

    def price(self, thing: str) -> tuple[Shop, str]:
        return (self, thing)


class Named(AtomicCache[Any, Any]):
    """Takes other arguments, and has an attribute."""

    def __init__(self, name: str, **limits: Any) -> None:
        super().__init__(listed, **limits)
        self.name = name


@every_cache
@every_copy
def test_a_copy_has_the_values_and_the_fill_and_is_independent(
    limits: Limits, make_copy: Copy
) -> None:
    cache: Any = AtomicCache(listed, **limits)
    values = [cache[key] for key in range(3)]
    other = make_copy(cache)
    assert type(other) is AtomicCache
    assert other is not cache
    assert other.snapshot() == {0: [0], 1: [1], 2: [2]}
    assert (other[0] is values[0]) == (make_copy is copy.copy)
    assert other["new"] == ["new"]
    other.invalidate(1)
    cache.invalidate(2)
    cache["also"]
    assert {*cache} == {0, 1, "also"}
    assert {*other} == {0, 2, "new"}
    assert repr(other)[:-9] == repr(cache)[:-9]  # with the same limits


@every_copy
def test_a_copy_has_the_time_that_is_left(clock: Clock, make_copy: Copy) -> None:
    cache: Any = AtomicCache(listed, ttl=10)
    cache["old"]
    clock.now += 6
    cache["new"]
    clock.now += 3
    other = make_copy(cache)
    clock.now += 2
    assert [*other] == [*cache] == ["new"]
    clock.now += 4
    assert len(make_copy(cache)) == 1
    clock.now += 2
    assert len(other) == len(cache) == len(make_copy(cache)) == 0
    other["again"]
    clock.now += 9
    assert "again" in other


@every_copy
def test_a_copy_has_the_same_place(make_copy: Copy) -> None:
    cache: Any = AtomicCache(listed, maxsize=5)
    for key in range(20):
        cache[key]
    other = make_copy(cache)
    assert sorted(other) == sorted(cache) == [*range(15, 20)]
    check_whole(other, 5)
    assert len(cache) == 5


@every_cache
@every_copy
def test_a_copy_of_a_subclass_keeps_its_attributes(limits: Limits, make_copy: Copy) -> None:
    cache: Any = Named("prices", **limits)
    cache[1]
    cache.extra = [5]
    other = make_copy(cache)
    assert (other.name, other.extra, other.snapshot()) == ("prices", [5], {1: [1]})
    assert type(other) is Named
    assert other[2] == [2]
    assert len(cache) == 1


@every_deep_copy
def test_a_fill_that_belongs_to_the_cache_is_copied_with_it(make_copy: Copy) -> None:
    shop = Shop()
    shop.prices["tea"]
    other = make_copy(shop)
    assert other.prices["tea"] == (other, "tea")
    assert other.prices["coffee"][0] is other
    from_cache = make_copy(shop.prices)
    assert from_cache["coffee"][0].prices is from_cache


@every_cache
@every_deep_copy
def test_values_may_refer_back_to_a_copy(limits: Limits, make_copy: Copy) -> None:
    cache: Any = AtomicCache(listed, **limits)
    cache["list"].append(cache)
    other = make_copy(cache)
    assert other["list"][0] == "list"
    assert other["list"][1] is other


def test_a_cache_whose_fill_cannot_be_pickled_says_so() -> None:
    cache: Any = AtomicCache(lambda key: key)
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(cache)
    assert copy.deepcopy(cache)[5] == 5


# ── life and death ─────────────────────────────────────────────────────────────────────────────


@every_cache
def test_a_cache_dies_with_its_last_reference(limits: Limits) -> None:
    cache: Any = AtomicCache(Computer(), **limits)
    value, reference = weakref.ref(cache["key"]), weakref.ref(cache)
    del cache
    assert reference() is None
    assert collected(value)


@every_cache
def test_cycles_through_a_cache_are_freed(limits: Limits) -> None:
    class Owner:
        def __init__(self) -> None:
            self.cache: Any = AtomicCache(self.fill, **limits)

        def fill(self, _key: object) -> Any:
            return self

    owner = Owner()
    assert owner.cache["key"] is owner
    owner.cache[owner]
    reference = weakref.ref(owner)
    of_cache = weakref.ref(owner.cache)
    del owner
    assert collected(reference)
    assert collected(of_cache)


@every_cache
def test_a_cache_that_holds_itself_is_freed(limits: Limits) -> None:
    cache: Any = AtomicCache(lambda _: [cache], **limits)
    cache[1]
    cache[cache]
    reference = weakref.ref(cache)
    cache = None
    assert collected(reference)


def test_a_memoized_function_is_freed_with_its_results() -> None:
    holder: list[Any] = []

    @AtomicCache.memoize(maxsize=5)
    def function(n: int) -> Any:
        thing = Thing()
        thing.holder = holder  # type: ignore[attr-defined]
        return thing

    holder.append(function)
    references = [weakref.ref(one) for one in (function, function(1), function(2))]
    del function
    holder = []
    assert all(map(collected, references))


# ── the object ─────────────────────────────────────────────────────────────────────────────────


@every_cache
def test_caches_are_told_apart_by_identity(limits: Limits) -> None:
    cache, twin = (AtomicCache[Any, str](str, **limits) for _ in range(2))
    cache[1], twin[1]
    assert operator.eq(cache, cache)
    assert not operator.ne(cache, cache)
    assert len({cache, twin, cache}) == 2
    for other in (twin, {1: "1"}, AtomicDict({1: "1"}), None, 5):
        for pair in ((cache, other), (other, cache)):
            assert operator.ne(*pair)
            assert not operator.eq(*pair)


@every_cache
def test_a_cache_is_true_and_may_have_attributes(limits: Limits) -> None:
    cache: Any = AtomicCache(str, **limits)
    assert cache
    cache.owner = "somebody"
    cache[1]
    assert cache
    assert (cache.owner, vars(cache)) == ("somebody", {"owner": "somebody"})
    for other in (copy.copy(cache), copy.deepcopy(cache), pickle.loads(pickle.dumps(cache))):
        assert other.owner == "somebody"
        assert other.snapshot() == {1: "1"}


@every_cache
def test_a_cache_is_a_dict_to_those_who_read(limits: Limits) -> None:
    cache: Any = AtomicCache(str, **limits)
    cache[1]
    assert isinstance(cache, AtomicDict)
    plain: dict[Any, Any] = {}
    plain.update(cache)
    plain |= cache
    assert plain == {1: "1"}
    assert [*map(str, cache)] == ["1"]


@every_cache
def test_a_cache_shows_its_fill_its_limits_and_how_many_values_it_has(limits: Limits) -> None:
    cache: Any = AtomicCache(listed, **limits)
    cache[1]
    shown = repr(cache)
    assert shown.startswith("<AtomicCache(")
    assert "listed" in shown
    assert "1 values" in shown
    for name, value in limits.items():
        assert f"{name}={value!r}" in shown
    assert repr(Named("name")).startswith("<Named(")


@every_cache
def test_a_cache_that_refers_to_itself_can_be_shown(limits: Limits) -> None:
    class Fill:
        def __init__(self) -> None:
            self.cache: Any = AtomicCache(self, **limits)

        def __call__(self, _key: object) -> Any:
            return [self.cache]

        def __repr__(self) -> str:
            return f"Fill({self.cache!r})"

    fill = Fill()
    fill.cache["key"]
    assert "Fill(" in repr(fill.cache)
    assert "AtomicCache(" in repr(fill)
    assert "..." in repr(fill)


def test_caches_are_generic() -> None:
    cache = AtomicCache[int, str](str, ttl=60.0)
    assert type(cache) is AtomicCache
    assert cache[5] == "5"
    assert AtomicCache[int, str].__origin__ is AtomicCache  # type: ignore[attr-defined]


@every_cache
def test_subclasses_may_add_and_override(limits: Limits) -> None:
    class Loading(AtomicCache[str, str]):
        hits = 0

        def __init__(self) -> None:
            super().__init__(self.load, **limits)
            self.loaded: list[str] = []

        def load(self, key: str) -> str:
            self.loaded.append(key)
            return key.upper()

        def __getitem__(self, key: str) -> str:
            self.hits += key in self
            return super().__getitem__(key)

    cache = Loading()
    assert [cache["a"], cache["a"], cache["b"]] == ["A", "A", "B"]
    assert (cache.loaded, cache.hits) == (["a", "b"], 1)
    reference = weakref.ref(cache)
    del cache
    assert collected(reference)

    class Slotted(AtomicCache[str, str]):
        __slots__ = ("name",)

    slotted: Any = Slotted(str, **limits)
    slotted.name = "name"
    assert slotted["a"] == "a"
    assert copy.copy(slotted).name == "name"


@every_cache
def test_a_cache_that_is_not_constructed_yet_does_not_crash(limits: Limits) -> None:
    for act in (
        lambda cache: cache[1],
        lambda cache: cache.invalidate(1),
        lambda cache: 1 in cache,
        len,
        repr,
        copy.copy,
    ):
        with pytest.raises((RuntimeError, AttributeError)):
            act(AtomicCache.__new__(AtomicCache))


# ── what programs rely on ──────────────────────────────────────────────────────────────────────


def test_a_program_written_for_an_earlier_release_runs_unchanged(clock: Clock) -> None:
    calls = []

    def expensive(key: str) -> str:
        calls.append(key)
        return key * 2

    cache: Any = AtomicCache(expensive, ttl=60.0)
    assert cache["spam"] == cache["spam"] == "spamspam"
    assert "spam" in cache
    assert "eggs" not in cache
    assert calls == ["spam"]
    clock.now += 61.0
    assert "spam" not in cache
    assert cache["spam"] == "spamspam"
    assert calls == ["spam"] * 2
    cache.invalidate("spam")
    cache.invalidate("missing")
    assert "spam" not in cache
    cache["spam"]
    assert calls == ["spam"] * 3
    with pytest.raises(NotImplementedError):
        cache["spam"] = "value"

    @AtomicCache.memoize(ttl=60.0)
    def power(x: int, y: int) -> int:
        calls.append("power")
        return x**y  # type: ignore[no-any-return]

    assert power(2, 10) == power(2, 10) == 1024
    assert power(x=2, y=10) == power(y=10, x=2) == 1024
    assert calls.count("power") == 2
    power.invalidate(2, 10)
    assert power(2, 10) == 1024
    assert calls.count("power") == 3

# SPDX-License-Identifier: Apache-2.0
"""AtomicCache by one thread: what it computes, and what it is like."""

from __future__ import annotations

import copy
import math
import operator
import pickle
import re
import weakref
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from cereggii import ANY, EXPECTATION_FAILED, NOT_FOUND, AtomicCache, AtomicDict

from tools.testing.lifetimes import collected

from .caches import Clock, Computer, Limits, RefusalError, Thing, check_whole, every_cache, refuse

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
def test_computed_values_are_shown(limits: Limits) -> None:
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
def test_other_methods_that_would_write_are_refused(
    limits: Limits, act: Callable[[Any], Any]
) -> None:
    asked: list[int] = []
    cache: Any = AtomicCache(lambda key: asked.append(key) or str(key), **limits)  # type: ignore[func-returns-value]
    value = cache[1]
    with pytest.raises(NotImplementedError, match=r"AtomicCache\.\w+: only the cache itself"):
        act(cache)
    assert cache.snapshot() == {1: "1"}
    assert cache[1] is value
    assert asked == [1]


@every_cache
def test_a_refusal_names_the_subclass(limits: Limits) -> None:
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
    """Each method of dict is the cache's own, or one that writes nothing."""
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


# ── failures ───────────────────────────────────────────────────────────────────────────────────


@every_cache
@pytest.mark.parametrize(
    "error", [RefusalError, KeyError, StopIteration, KeyboardInterrupt, SystemExit, GeneratorExit]
)
def test_an_exception_of_a_fill_is_not_cached(limits: Limits, error: type[BaseException]) -> None:
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
def test_a_value_that_cannot_be_computed_again_is_gone(limits: Limits) -> None:
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


def test_an_expired_value_is_gone_even_if_it_cannot_be_computed_again(clock: Clock) -> None:
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
def test_a_cache_reads_like_a_dict(limits: Limits) -> None:
    cache: Any = AtomicCache(str, **limits)
    cache[1]
    assert isinstance(cache, AtomicDict)
    plain: dict[Any, Any] = {}
    plain.update(cache)
    plain |= cache
    assert plain == {1: "1"}
    assert [*map(str, cache)] == ["1"]


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


# ── programs of earlier releases ───────────────────────────────────────────────────────────────


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

# SPDX-License-Identifier: Apache-2.0
"""Copies of an AtomicCache, and what it keeps alive."""

from __future__ import annotations

import copy
import pickle
import weakref
from typing import Any

import pytest
from cereggii import AtomicCache

from tools.testing.copying import Copy, every_copy, every_deep_copy
from tools.testing.lifetimes import collected

from .caches import Clock, Computer, Limits, Thing, check_whole, every_cache

# ── copies ─────────────────────────────────────────────────────────────────────────────────────


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

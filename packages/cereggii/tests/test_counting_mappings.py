# SPDX-License-Identifier: Apache-2.0
"""An AtomicKeyedCounter counts a mapping by what the mapping shows, as a Counter does."""

from __future__ import annotations

import collections
import copy
import pickle
import types
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from cereggii import (
    AtomicCache,
    AtomicDict,
    AtomicDictHandle,
    AtomicKeyedCounter,
    AtomicKeyedCounterHandle,
    ThreadHandle,
)

SHOWN = {"a": 3, "b": 1}
STORED = {"hidden": 7}
OURS = (AtomicDict, AtomicKeyedCounter)
BASES = (*OURS, dict, Counter, collections.OrderedDict)


class ByItems:
    def items(self) -> Any:
        return SHOWN.items()


class ByIteration:
    def __iter__(self) -> Iterator[str]:
        return iter(SHOWN)

    def __getitem__(self, key: str) -> int:
        return SHOWN[key]


class ByKeys:
    def keys(self) -> Any:
        return [*SHOWN]

    def __getitem__(self, key: str) -> int:
        return SHOWN[key]


class Abstract(Mapping[str, int]):
    """A mapping that is not made of a dict."""

    def __getitem__(self, key: str) -> int:
        return SHOWN[key]

    def __iter__(self) -> Iterator[str]:
        return iter(SHOWN)

    def __len__(self) -> int:
        return len(SHOWN)


def derived(way: type, base: type) -> Callable[[], Any]:
    kind: Any = type(f"{way.__name__}{base.__name__}", (way, base), {})
    return lambda: kind(STORED)


def cache(**limits: Any) -> Callable[[], Any]:
    def make() -> Any:
        filled = AtomicCache(lambda key: SHOWN[key], **limits)
        assert [filled[key] for key in SHOWN] == [*SHOWN.values()]
        return filled

    return make


MAPPINGS: dict[str, Callable[[], Any]] = {
    f"{base.__name__} with {way.__name__}": derived(way, base)
    for base in BASES
    for way in (ByItems, ByIteration, ByKeys)
    # `dict(mapping)` asks a dict for its keys, so its `__iter__` does not decide what it shows.
    if base in OURS or way is not ByIteration
    if base is not collections.OrderedDict or way is ByItems
}
MAPPINGS |= {
    "cache": cache(),
    "cache with maxsize": cache(maxsize=10),
    "cache with ttl": cache(ttl=1e9),
    "cache with both": cache(ttl=1e9, maxsize=10),
    "abstract": Abstract,
    # These show what they store.
    **{base.__name__: lambda base=base: base(SHOWN) for base in BASES},
    "handle": lambda: AtomicDict(SHOWN).get_handle(),
    "handle of a counter": lambda: AtomicKeyedCounter(SHOWN).get_handle(),
    "defaultdict": lambda: collections.defaultdict(int, SHOWN),
    "ChainMap": lambda: collections.ChainMap({"a": 3}, {"a": 1, "b": 1}),
    "MappingProxyType": lambda: types.MappingProxyType(SHOWN),
}
MAPPINGS |= {
    f"ThreadHandle of {name}": lambda make=make: ThreadHandle(make())
    for name, make in MAPPINGS.items()
}
every_mapping = pytest.mark.parametrize("make", MAPPINGS.values(), ids=MAPPINGS)
every_counter = pytest.mark.parametrize(
    "counter_of", [AtomicKeyedCounter, lambda counts: AtomicKeyedCounter(counts).get_handle()],
    ids=["counter", "handle"],
)  # fmt: skip
START = {"a": 2, "c": 1}


def plain(counter: Any) -> dict[Any, int]:
    return dict(counter.snapshot())


@every_mapping
def test_a_new_counter_has_the_counts_that_the_mapping_shows(make: Any) -> None:
    assert plain(AtomicKeyedCounter(make())) == SHOWN
    assert plain(AtomicKeyedCounter(make(), a=1)) == {"a": 4, "b": 1}


@every_counter
@every_mapping
def test_counts_are_added_and_subtracted(make: Any, counter_of: Any) -> None:
    empty, mine = counter_of({}), counter_of(START)
    empty.update(make())
    assert plain(empty) == SHOWN
    mine.update(make())
    assert plain(mine) == {"a": 5, "b": 1, "c": 1}
    mine.subtract(make())
    assert plain(mine) == {"a": 2, "b": 0, "c": 1}
    empty.subtract(make())
    assert plain(empty) == {"a": 0, "b": 0}


@every_counter
@every_mapping
def test_in_place_operators(make: Any, counter_of: Any) -> None:
    for name in ("__iadd__", "__isub__", "__ior__", "__iand__"):
        mine, theirs = counter_of(START), Counter(START)
        assert getattr(mine, name)(make()) is mine
        assert plain(mine) == dict(getattr(theirs, name)(Counter(SHOWN))), name


COUNTERS = {name: make for name, make in MAPPINGS.items() if "Counter" in name or "counter" in name}


@every_counter
@pytest.mark.parametrize("make", COUNTERS.values(), ids=COUNTERS)
def test_operators_of_two_counters(make: Any, counter_of: Any) -> None:
    for name in ("__add__", "__sub__", "__or__", "__and__"):
        mine, theirs, shown = counter_of(START), Counter(START), Counter(SHOWN)
        assert plain(getattr(mine, name)(make())) == dict(getattr(theirs, name)(shown)), name
        swapped = f"__r{name[2:]}"
        assert plain(getattr(mine, swapped)(make())) == dict(getattr(shown, name)(theirs)), name
    assert counter_of(SHOWN) == make()
    assert (counter_of(SHOWN) != make()) is False
    assert counter_of(START) != make()
    assert counter_of(SHOWN) <= make() <= counter_of(SHOWN)
    assert not counter_of(STORED) <= make()


@pytest.mark.parametrize("way", [ByItems, ByIteration, ByKeys])
def test_a_derived_counter_counts_the_items_that_it_shows(way: type) -> None:
    mine = derived(way, AtomicKeyedCounter)()
    assert mine.most_common() == [("a", 3), ("b", 1)]
    assert mine.total() == 4
    assert sorted(mine.elements()) == ["a", "a", "a", "b"]
    assert plain(+mine) == SHOWN
    assert plain(-mine) == {}
    assert repr(mine) == f"{type(mine).__name__}({SHOWN})"
    assert plain(mine.copy()) == SHOWN
    assert type(mine.copy()) is type(mine)
    assert mine == SHOWN


@pytest.mark.parametrize("name", ["items", "keys", "__getitem__"])
@pytest.mark.parametrize("base", [AtomicDict, AtomicKeyedCounter, dict])
def test_an_exception_of_the_mapping_propagates_and_nothing_is_counted(
    base: Any, name: str
) -> None:
    class RefusedError(Exception):
        pass

    def items(self: Any) -> Iterator[Any]:
        yield "a", 1
        raise RefusedError

    def keys(self: Any) -> Iterator[Any]:
        yield "a"
        if name == "keys":
            raise RefusedError

    def get(self: Any, key: str) -> int:
        if name == "__getitem__":
            raise RefusedError
        return 1

    methods = {"items": items} if name == "items" else {"keys": keys, "__getitem__": get}
    kind: Any = type("Raising", (base,), methods)
    counter: Any = AtomicKeyedCounter(START)
    for act in (counter.update, counter.subtract, counter.__iadd__, counter.__iand__):
        with pytest.raises(RefusedError):
            act(kind())
    assert plain(counter) == START


@pytest.mark.parametrize("limits", [{}, {"maxsize": 10}, {"ttl": 1e9}], ids=str)
def test_to_count_a_cache_computes_nothing(limits: Any) -> None:
    calls: list[str] = []

    def fill(key: str) -> int:
        calls.append(key)
        return SHOWN[key]

    filled = AtomicCache(fill, **limits)
    assert filled["a"] == 3
    counter = AtomicKeyedCounter(filled)
    counter.subtract(filled)
    counter.update(filled)
    assert plain(counter) == {"a": 3}
    assert calls == ["a"]


def test_a_handle_is_one_and_its_copies_are_none() -> None:
    counter = AtomicKeyedCounter("aab")
    handle = counter.get_handle()
    assert type(handle) is AtomicKeyedCounterHandle
    assert isinstance(handle, AtomicDictHandle)
    assert type(handle.copy()) is AtomicKeyedCounter
    assert type(copy.copy(handle)) is AtomicKeyedCounterHandle
    assert plain(pickle.loads(pickle.dumps(handle))) == {"a": 2, "b": 1}
    assert AtomicKeyedCounter[str] == AtomicKeyedCounter[str] != AtomicKeyedCounter[int]
    assert AtomicKeyedCounterHandle[str].__args__ == (str,)  # type: ignore[attr-defined]


def test_messages_name_the_public_class() -> None:
    counter: Any = AtomicKeyedCounter()
    for mine in (counter, counter.get_handle()):
        with pytest.raises(TypeError, match=r"^AtomicKeyedCounter\.add\(\) missing"):
            mine.add()
        with pytest.raises(NotImplementedError, match=r"^AtomicKeyedCounter(Handle)?\.fromkeys "):
            mine.fromkeys([])

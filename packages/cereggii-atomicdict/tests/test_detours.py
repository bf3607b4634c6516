# SPDX-License-Identifier: Apache-2.0
"""Filling a dict costs the same per key in whatever order its keys come: also that of another dict.

Costs are counted, as the number of words that keys are behind the first word on their path. One
that is inserted has come that far; and the next table gets them in the order of this one.
"""

from __future__ import annotations

import copy
import itertools
import json
import operator
import pickle
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import pytest
from cereggii_atomicdict import NOT_FOUND, AtomicDict
from cereggii_atomicdict._atomicdict import (  # type: ignore[attr-defined]
    _looks_of_iteration,
    _total_detour,
)

Dict: TypeAlias = AtomicDict[Any, Any]
COUNT = 20_000

KEYS: dict[str, Callable[[int], Any]] = {
    "ints": lambda i: i,
    "strings": str,
    "floats": lambda i: i / 7,
    "tuples": lambda i: (i % 100, i),
}
every_kind = pytest.mark.parametrize("kind", KEYS)


class Fill:
    """Stores items into a dict, and looks now and then how far from home its keys are."""

    def __init__(self) -> None:
        self.filled: Dict = AtomicDict()
        self.worst = 0.0
        self._next_look = 100.0

    def look(self) -> None:
        if length := len(self.filled):
            self.worst = max(self.worst, _total_detour(self.filled) / length)

    def each(self, items: Iterable[tuple[Any, Any]], store: Callable[..., Any]) -> None:
        for key, value in items:
            store(key, value)
            if self.filled.approx_len() >= self._next_look:
                self._next_look *= 1.03
                self.look()


def bound(items: Dict, seed: int) -> float:
    """Some times what it is at worst if the same items come in any order."""
    pairs = [*items.items()]
    random.Random(seed).shuffle(pairs)
    fill = Fill()
    fill.each(pairs, fill.filled.__setitem__)
    fill.look()
    return 6 * fill.worst + 6


# ── ways to copy a dict at once ────────────────────────────────────────────────────────────────


def by_threads(d: Dict, partitions: int = 4) -> Dict:
    e: Dict = AtomicDict()

    def take(part: int) -> None:
        for key, value in d.fast_iter(partitions, part):
            e[key] = value

    threads = [threading.Thread(target=take, args=(part,)) for part in range(partitions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return e


def updated(method: str) -> Callable[[Dict], Dict]:
    def way(d: Dict) -> Dict:
        e: Dict = AtomicDict()
        getattr(e, method)(d)
        return e

    return way


def refilled(empty: Callable[[Dict], object]) -> Callable[[Dict], Dict]:
    """The dict, filled again with its own keys in its own order, after `empty` has removed them."""

    def way(d: Dict) -> Dict:
        items = [*d.items()]
        empty(d)
        for key, value in items:
            d[key] = value
        return d

    return way


def delete(keys: Iterable[Any], d: Dict) -> None:
    for key in keys:
        del d[key]


def pop_all(d: Dict) -> None:
    while d.approx_len():
        d.popitem()


WAYS: dict[str, Callable[[Dict], Dict]] = {
    "copy": lambda d: d.copy(),
    "copy.copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda d: pickle.loads(pickle.dumps(d)),
    "pickle 2": lambda d: pickle.loads(pickle.dumps(d, 2)),
    "or": lambda d: d | {},
    "dict or": lambda d: {} | d,
    "constructor": AtomicDict,
    "constructor of items": lambda d: AtomicDict(d.items()),
    "constructor of a snapshot": lambda d: AtomicDict(d.snapshot()),
    "constructor of a dict of items": lambda d: AtomicDict(dict(d.items())),
    "fromkeys": AtomicDict.fromkeys,
    "fromkeys of values": lambda d: AtomicDict.fromkeys(d.values()),
    "update": updated("update"),
    "in-place or": updated("__ior__"),
    "reduce_count": updated("reduce_count"),
    "threads": by_threads,
    "refilled after clear": refilled(lambda d: d.clear()),
    "refilled after del": refilled(lambda d: delete(list(d), d)),
    "refilled after popitem": refilled(pop_all),
    "refilled after remove_if": refilled(lambda d: d.remove_if(lambda key, value: True)),
    "half refilled": refilled(lambda d: delete(list(d)[::2], d)),
    "all but one refilled": refilled(lambda d: delete(list(d)[1:], d)),
    "first refilled": refilled(lambda d: delete(list(d)[: COUNT * 9 // 10], d)),
    "last refilled": refilled(lambda d: delete(list(d)[COUNT // 10 :], d)),
}


@every_kind
@pytest.mark.parametrize("way", WAYS)
def test_a_copy_has_its_keys_where_any_other_dict_has_them(way: str, kind: str, seed: int) -> None:
    d: Dict = AtomicDict({KEYS[kind](i): i for i in range(COUNT)})
    copied = WAYS[way](d)
    assert len(copied) == COUNT
    assert _total_detour(copied) / COUNT <= bound(copied, seed)


def test_a_round_trip_by_json_has_its_keys_where_any_other_dict_has_them(seed: int) -> None:
    d: Dict = AtomicDict({str(i): i for i in range(COUNT)})
    fill = Fill()
    fill.each(json.loads(json.dumps(d.snapshot())).items(), fill.filled.__setitem__)
    fill.look()
    assert fill.filled == d
    assert fill.worst <= bound(d, seed)


# ── ways to fill a dict from another, one key after the other ──────────────────────────────────


def popped(d: Dict) -> Iterator[tuple[Any, Any]]:
    while d.approx_len():
        yield d.popitem()


def sources(d: Dict) -> dict[str, Callable[[], Iterable[tuple[Any, Any]]]]:
    return {
        "items": d.items,
        "keys": lambda: ((key, None) for key in d),
        "fast_iter": d.fast_iter,
        "a handle": lambda: d.get_handle().items(),
        "snapshot": lambda: d.snapshot().items(),
        "a reserved copy": lambda: AtomicDict(d, min_size=8 * COUNT).items(),
        "a copy of a copy": lambda: AtomicDict(d.items()).copy().items(),
        "the first half": lambda: itertools.islice(d.items(), COUNT // 2),
        "the last tenth": lambda: itertools.islice(d.items(), COUNT * 9 // 10, None),
        "backwards": lambda: reversed([*d.items()]),
        "partitions": lambda: itertools.chain(*(d.fast_iter(3, part) for part in range(3))),
        "a partition": lambda: d.fast_iter(8, 5),
        "one of many partitions": lambda: d.fast_iter(100, 17),
        "popitem": lambda: popped(d),
    }


STORES: dict[str, Callable[[Dict], Callable[[Any, Any], object]]] = {
    "[]": lambda e: e.__setitem__,
    "setdefault": lambda e: e.setdefault,
    "compare_and_set": lambda e: lambda key, value: e.compare_and_set(key, NOT_FOUND, value),
    "get_or_compute": lambda e: lambda key, value: e.get_or_compute(key, lambda _: value),
    "merge": lambda e: lambda key, value: e.merge(key, value, operator.add),
    "reduce_list": lambda e: lambda key, value: e.reduce_list([(key, value)]),
}


@every_kind
@pytest.mark.parametrize("source", sources(AtomicDict()))
def test_keys_that_come_as_they_are_visited_are_inserted_near_home(
    source: str, kind: str, seed: int
) -> None:
    d: Dict = AtomicDict({KEYS[kind](i): i for i in range(COUNT)})
    fill = Fill()
    fill.each(sources(d)[source](), fill.filled.__setitem__)
    fill.look()
    assert fill.worst <= bound(fill.filled, seed)


@pytest.mark.parametrize("store", STORES)
def test_it_is_the_same_for_all_that_inserts(store: str, seed: int) -> None:
    d: Dict = AtomicDict({i: i for i in range(COUNT)})
    fill = Fill()
    fill.each(d.items(), STORES[store](fill.filled))
    assert fill.worst <= bound(d, seed)


@pytest.mark.parametrize("count", [10, 30, 100, 300, 1000, 3000])
def test_it_is_the_same_for_small_dicts(count: int, seed: int) -> None:
    d: Dict = AtomicDict({f"key {i}": i for i in range(count)})
    fill = Fill()
    for key, value in d.items():
        fill.filled[key] = value
        fill.look()
    shuffled = Fill()
    for key in random.Random(seed).sample(list(d), count):
        shuffled.filled[key] = d[key]
        shuffled.look()
    assert fill.worst <= 6 * shuffled.worst + 6


# ── removal ────────────────────────────────────────────────────────────────────────────────────


@every_kind
def test_a_dict_that_shrinks_in_its_own_order_stays_as_good(kind: str, seed: int) -> None:
    d: Dict = AtomicDict({KEYS[kind](i): i for i in range(COUNT)})
    for count in (COUNT // 2, COUNT // 10, COUNT // 100):
        while len(d) > count:
            d.popitem()
        assert _total_detour(d) / count <= bound(d, seed)
    e: Dict = AtomicDict({KEYS[kind](i): i for i in range(COUNT)})
    for key in list(e)[COUNT // 100 :]:
        del e[key]
    assert _total_detour(e) / len(e) <= bound(e, seed)


def test_partitions_of_a_large_dict_can_be_copied_one_by_one() -> None:
    """The table has more groups than a part can be made of."""
    d: Dict = AtomicDict(dict.fromkeys(range(300_000)))
    e: Dict = AtomicDict()
    for part in range(4):
        for key, value in d.fast_iter(4, part):
            e[key] = value
        assert _total_detour(e) / len(e) < 60
    assert e.keys() == d.keys()


# ── the cost follows the entries, not the room ─────────────────────────────────────────────────


def filled_and_emptied(empty: Callable[[Dict], object]) -> Dict:
    d: Dict = AtomicDict(min_size=200_000)
    d.update(dict.fromkeys(range(200_000)))
    empty(d)
    return d


EMPTY: dict[str, Callable[[], Dict]] = {
    "reserved": lambda: AtomicDict(min_size=1_000_000),
    "emptied by del": lambda: filled_and_emptied(lambda d: delete(list(d), d)),
    "emptied by popitem": lambda: filled_and_emptied(pop_all),
    "emptied by remove_if": lambda: filled_and_emptied(lambda d: d.remove_if(lambda *_: True)),
}


@pytest.mark.parametrize("make", EMPTY)
def test_going_through_an_empty_dict_costs_nothing(make: str) -> None:
    d = EMPTY[make]()
    # A thread that found nothing but tombstones has paid for their removal.
    if "emptied" in make:
        assert [list(d) for _ in range(4)] == [[]] * 4
    assert _looks_of_iteration(d) == 0
    assert list(d) == []
    with pytest.raises(KeyError):
        d.popitem()


def test_going_through_a_few_keys_costs_little() -> None:
    d: Dict = AtomicDict(min_size=1_000_000)
    assert _looks_of_iteration(d) == 0
    d.update(dict.fromkeys(f"key {i}" for i in range(10)))
    few = _looks_of_iteration(d)
    # One look for 32 groups, and one for those at the same place in the other parts of the table.
    assert few < 2**21 // 256 + 10 * 8 * 32 * 2
    d.update(dict.fromkeys(range(500_000)))
    assert _looks_of_iteration(d) < 2 * 2**21


def test_a_dict_that_may_not_shrink_does_not_keep_its_tombstones() -> None:
    d: Dict = AtomicDict(min_size=100_000)
    d.update(dict.fromkeys(range(100_000)))
    for key in list(d)[10:]:
        del d[key]
    for i in range(200_000):
        d["passes", i] = None
        del d["passes", i]
    assert len(d) == 10
    for _ in range(4):
        assert len(list(d)) == 10
    assert _looks_of_iteration(d) < 2**17 // 16

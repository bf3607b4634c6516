# SPDX-License-Identifier: Apache-2.0
"""Iterating: every key once, whatever happens to the mapping meanwhile, and nothing is kept."""

from __future__ import annotations

import itertools
import operator
import random
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cereggii_atomicdict import AtomicDict

from tools.testing.lifetimes import collected

from .mapping_forms import BadEq, Collider, Make, Thing, both_forms, without_init

# Each way to iterate, as an iterator over the keys.
ITERATORS: dict[str, Callable[[Any], Iterator[Any]]] = {
    "iter": iter,
    "keys": lambda mapping: iter(mapping.keys()),
    "items": lambda mapping: (key for key, _ in mapping.items()),
    "fast_iter": lambda mapping: (key for key, _ in mapping.fast_iter()),
}
every_iterator = pytest.mark.parametrize("iterate", ITERATORS.values(), ids=ITERATORS)

NATIVE: dict[str, Callable[[Any], Iterator[Any]]] = {
    "iter": iter,
    "keys": lambda mapping: iter(mapping.keys()),
    "values": lambda mapping: iter(mapping.values()),
    "items": lambda mapping: iter(mapping.items()),
    "fast_iter": lambda mapping: mapping.fast_iter(),
    "part": lambda mapping: mapping.fast_iter(partitions=2, this_partition=1),
}
every_native = pytest.mark.parametrize("native", NATIVE.values(), ids=NATIVE)


# ── quiet ──────────────────────────────────────────────────────────────────────────────────────


@both_forms
@every_iterator
def test_every_key_comes_once_in_any_size(
    make: Make, iterate: Callable[[Any], Iterator[Any]]
) -> None:
    mapping = make({})
    for size in range(3000):
        mapping[size] = str(size)
        if size < 200 or size % 97 == 0 or (size & (size + 1)) == 0:
            assert sorted(iterate(mapping)) == [*range(size + 1)]
    for size in reversed(range(3000)):
        del mapping[size]
        if size < 200 or size % 97 == 0:
            assert sorted(iterate(mapping)) == [*range(size)]


@both_forms
@every_iterator
def test_every_key_comes_once_whatever_the_keys_are(
    make: Make, iterate: Callable[[Any], Iterator[Any]]
) -> None:
    many: list[list[Any]] = [
        [key << 40 for key in range(1000)],
        [-key for key in range(1000)],
        [str(key) for key in range(1000)],
        [Collider(str(key)) for key in range(100)] + [7],
        [Thing() for _ in range(500)],
        [None, 1.5, "a", b"a", ("a", 1), Thing, BadEq()],
    ]
    for keys in many:
        mapping = make({key: Thing() for key in keys})
        assert {id(key) for key in iterate(mapping)} == {id(key) for key in keys}
        assert len([*iterate(mapping)]) == len(keys)


@both_forms
def test_keys_values_and_items_belong_together(make: Make) -> None:
    mapping = make({key: str(key) for key in range(1000)})
    items = [*mapping.items()]
    assert all(type(item) is tuple for item in items)
    assert items == [*zip(mapping.keys(), mapping.values(), strict=True)]
    assert items == sorted(mapping.fast_iter(), key=items.index)  # the order is the thread's own
    assert [key for key, _ in items] == [*mapping]
    assert all(str(key) == value for key, value in items)
    assert all(type(item) is tuple for item in mapping.fast_iter())


@both_forms
@every_native
def test_iterators_are_iterators(make: Make, native: Callable[[Any], Iterator[Any]]) -> None:
    mapping = make(dict.fromkeys(range(100)))
    iterator = native(mapping)
    assert iter(iterator) is iterator
    first = next(iterator)
    rest = [*iterator]
    assert rest
    assert first not in rest or first is None
    for _ in range(3):
        with pytest.raises(StopIteration):
            next(iterator)
        mapping.update(dict.fromkeys(range(1000, 1500)))
        assert [*iterator] == []
        assert next(iterator, "end") == "end"
    empty = native(make({}))
    assert [*empty] == [*empty] == []


@both_forms
@every_native
def test_the_length_hint_is_an_estimate_if_there_is_one(
    make: Make, native: Callable[[Any], Iterator[Any]]
) -> None:
    for size in (0, 1, 100):
        mapping = make(dict.fromkeys(range(size)))
        iterator = native(mapping)
        for _ in range(3):
            assert operator.length_hint(iterator, 5) >= 0
            next(iterator, None)
        assert operator.length_hint(iterator) >= 0
        mapping.clear()
        assert operator.length_hint(iterator) >= 0
        assert [*iterator] == []


# ── changes meanwhile ──────────────────────────────────────────────────────────────────────────


@both_forms
@every_iterator
def test_keys_that_are_there_throughout_come_once_whatever_else_changes(
    make: Make, iterate: Callable[[Any], Iterator[Any]], seed: int
) -> None:
    choose = random.Random(seed)
    for size in (1, 10, 100, 400):
        stay = [f"stays {number}" for number in range(size)]
        mapping = make(dict.fromkeys(stay))
        others = 0
        seen: list[Any] = []
        iterator = iterate(mapping)
        for key in iterator:
            seen.append(key)
            action = choose.randrange(4)
            if action == 0 and others < 3 * size:  # grow
                for _ in range(choose.randrange(20)):
                    mapping[others] = others
                    others += 1
            elif action == 1:  # shrink
                for other in [key for key in mapping if type(key) is int][: 30 * size]:
                    del mapping[other]
            elif action == 2:
                mapping[choose.choice(stay)] = choose.random()
            elif others:
                mapping.pop(choose.randrange(others), None)
        assert len(seen) == len({*seen})
        assert {key for key in seen if type(key) is str} == {*stay}
        assert [*iterator] == []


@both_forms
@every_iterator
def test_a_key_that_is_put_in_again_comes_once(
    make: Make, iterate: Callable[[Any], Iterator[Any]]
) -> None:
    mapping = make(dict.fromkeys(range(100)))
    seen: list[int] = []
    for key in iterate(mapping):
        seen.append(key)
        del mapping[key]
        mapping[key] = "again"
        for _ in range(3):
            mapping["other"] = 1
            del mapping["other"]
        assert len(seen) <= 100
    assert sorted(seen) == [*range(100)]


@both_forms
@every_iterator
def test_a_key_of_one_hash_with_others_comes_once_when_it_is_put_in_again(
    make: Make, iterate: Callable[[Any], Iterator[Any]]
) -> None:
    colliders = [Collider(str(number)) for number in range(20)]
    mapping = make(dict.fromkeys(colliders))
    seen: list[Collider] = []
    for key in iterate(mapping):
        seen.append(key)
        del mapping[key]
        mapping[key] = "again"
        if len(seen) < 100:
            mapping[Collider(f"new {len(seen)}")] = None
    assert len({key.name for key in seen}) == len(seen)
    assert {key.name for key in colliders} <= {key.name for key in seen}


@both_forms
@every_iterator
@pytest.mark.parametrize("size", [2, 10, 100, 3000])
def test_a_key_that_is_deleted_before_its_turn_does_not_come(
    make: Make, iterate: Callable[[Any], Iterator[Any]], size: int
) -> None:
    for turns in {0, 1, size // 2}:
        mapping = make(dict.fromkeys(range(size)))
        iterator = iterate(mapping)
        seen = [next(iterator) for _ in range(turns)]
        for key in {*range(size)}.difference(seen):
            del mapping[key]
        assert [*iterator] == []
        mapping = make(dict.fromkeys(range(size)))
        iterator = iterate(mapping)
        for _ in range(turns):
            next(iterator)
        mapping.clear()
        assert [*iterator] == []


def test_a_key_that_is_deleted_while_the_table_grows_does_not_come() -> None:
    """An object that has got its memory does not come either: both tables dropped the entry."""
    mapping: AtomicDict[Any, Any] = AtomicDict()
    numbers = itertools.count()
    before = after = 0
    while len(mapping) < 3000 or after - before < 10_000:  # until there are two tables
        before = mapping.__sizeof__()
        mapping[next(numbers)] = None
        after = mapping.__sizeof__()
    del mapping[next(iter(mapping))]  # the first is moved first
    others = [["another"] * 2 for _ in range(20_000)]  # each as large as an entry
    assert {*map(type, mapping)} == {int}
    assert {*mapping.values()} == {None}
    assert others == [["another"] * 2] * 20_000


@both_forms
def test_values_are_those_of_the_moment(make: Make) -> None:
    for name in ("values", "items", "fast_iter"):
        mapping = make(dict.fromkeys(range(500), "old"))
        iterator = iter(getattr(mapping, name)())
        next(iterator)
        mapping.update(dict.fromkeys(range(500), "new"))
        rest = [element if name == "values" else element[1] for element in iterator]
        assert rest == ["new"] * 499


@both_forms
def test_a_mapping_is_emptied_while_it_is_iterated_over(make: Make) -> None:
    mapping = make(dict.fromkeys(range(2000)))
    for key in mapping:
        del mapping[key]
    assert len(mapping) == 0
    mapping.update(dict.fromkeys(range(2000)))
    for _ in mapping:
        mapping.popitem()
    assert len(mapping) <= 1000


# ── nothing is kept ────────────────────────────────────────────────────────────────────────────

no_others = pytest.mark.thread_unsafe(reason="other threads' operations delay when keys are freed")


@no_others
@both_forms
@every_native
@pytest.mark.parametrize("size", [4, 100, 2000])
def test_an_iterator_keeps_no_key_and_no_value_alive(
    make: Make, native: Callable[[Any], Iterator[Any]], size: int
) -> None:
    for empty in (
        lambda mapping: mapping.clear(),
        lambda mapping: [mapping.__delitem__(key) for key in [*mapping]],
        lambda mapping: [mapping.popitem() for _ in range(size)],
    ):
        mapping = make({Thing(): Thing() for _ in range(size)})
        references = [weakref.ref(thing) for item in mapping.items() for thing in item]
        iterator = native(mapping)
        next(iterator, None)
        empty(mapping)
        assert [reference for reference in references if reference() is not None] == []
        assert [*iterator] == []


@both_forms
@every_native
def test_an_iterator_keeps_its_mapping_alive_until_it_is_exhausted_or_dropped(
    make: Make, native: Callable[[Any], Iterator[Any]]
) -> None:
    for turns in (0, 1, 1000):
        thing = Thing()
        reference = weakref.ref(thing)
        mapping = make(dict.fromkeys(range(100), thing))
        del thing
        iterator = native(mapping)
        del mapping
        for _ in range(turns):
            next(iterator, None)
        assert turns == 1000 or reference() is not None
        del iterator
        assert reference() is None


@both_forms
@every_native
def test_a_cycle_through_an_iterator_is_collected(
    make: Make, native: Callable[[Any], Iterator[Any]]
) -> None:
    mapping = make({key: Thing() for key in range(50)})
    reference = weakref.ref(mapping[0])
    mapping["iterator"] = native(mapping)
    next(mapping["iterator"])
    del mapping
    assert collected(reference)


@both_forms
@every_native
def test_iterators_are_not_made_by_others(
    make: Make, native: Callable[[Any], Iterator[Any]]
) -> None:
    kind: Any = type(native(make({1: 1})))
    for arguments in ((), (5,), ({1: 2},)):
        with pytest.raises((TypeError, RuntimeError)):
            kind(*arguments)
    try:
        unmade = without_init(kind)
    except (TypeError, RuntimeError):
        return
    with pytest.raises((TypeError, RuntimeError)):
        next(unmade)

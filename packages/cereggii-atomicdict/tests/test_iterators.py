# SPDX-License-Identifier: Apache-2.0
"""The iterators themselves, which are copied, pickled and measured as those of dict are."""

from __future__ import annotations

import copy
import gc
import itertools
import operator
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cereggii_atomicdict import AtomicDict, AtomicDictIterator, _items_at_one_instant

ITERATORS: dict[str, Callable[[Any], Iterator[Any]]] = {
    "keys": iter,
    "view of keys": lambda d: iter(d.keys()),
    "values": lambda d: iter(d.values()),
    "items": lambda d: iter(d.items()),
    "of a handle": lambda d: iter(d.get_handle()),
    "fast": lambda d: d.fast_iter(),
}
iterators = pytest.mark.parametrize("make", ITERATORS.values(), ids=ITERATORS)
sizes = pytest.mark.parametrize("size", [0, 1, 5, 100, 5000])


class SameHash:
    """Keys that all have one hash."""

    def __hash__(self) -> int:
        return 1


def filled(size: int) -> AtomicDict[int, int]:
    return AtomicDict({key: key + size for key in range(size)})


def ways_to_copy(iterator: Iterator[Any]) -> list[Iterator[Any]]:
    copies = [copy.copy(iterator), copy.deepcopy(iterator)]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        copies.append(pickle.loads(pickle.dumps(iterator, protocol)))
    return copies


@iterators
@sizes
@pytest.mark.parametrize("taken", [0, 1, 7])
def test_a_copy_has_what_is_left(make: Any, size: int, taken: int) -> None:
    iterator = make(filled(size))
    assert isinstance(iterator, AtomicDictIterator)
    first = [next(iterator) for _ in range(min(taken, size))]
    copies = ways_to_copy(iterator)
    left = list(iterator)
    for each in copies:
        # The copy is an iterator over a list, like that of a dict's iterator.
        assert type(each) is type(iter([]))
        assert sorted(each) == sorted(left)
    assert sorted(first + left) == sorted(make(filled(size)))


@iterators
def test_an_exhausted_iterator_can_be_copied(make: Any) -> None:
    iterator = make(filled(9))
    for _ in iterator:
        pass
    assert [list(each) for each in ways_to_copy(iterator)] == [[]] * len(ways_to_copy(iterator))
    assert operator.length_hint(iterator) == 0


@iterators
def test_a_copy_is_not_that_of_what_comes_later(make: Any) -> None:
    d = filled(50)
    iterator = make(d)
    next(iterator)
    copied = copy.copy(iterator)
    d.clear()
    assert len(list(copied)) == 49
    assert list(iterator) == []


@pytest.mark.parametrize("others", [0, 30])
def test_keys_with_one_hash_are_copied_once_each(others: int) -> None:
    keys = [*range(others), *(SameHash() for _ in range(20))]
    d = AtomicDict.fromkeys(keys)
    for taken in range(len(keys)):
        iterator = iter(d)
        first = {next(iterator) for _ in range(taken)}
        assert len(first) == taken
        copied = copy.copy(iterator)
        del iterator
        gc.collect()
        left = list(copied)
        assert len(left) == len(keys) - taken
        assert first | {*left} == {*d}


@pytest.mark.parametrize("others", [0, 30, 3000])
def test_the_length_hint_counts_keys_with_one_hash(others: int) -> None:
    """Within what it cannot know: how many there are of a hash that it has not come to."""
    keys = [*range(others), *(SameHash() for _ in range(20))]
    iterator = iter(AtomicDict.fromkeys(keys))
    for left in range(len(keys), 0, -1):
        assert operator.length_hint(iterator) == left
        next(iterator)
    assert next(iterator, None) is None
    assert operator.length_hint(iterator) == 0


@iterators
@sizes
def test_the_length_hint_is_what_is_left(make: Any, size: int) -> None:
    iterator = make(filled(size))
    for left in range(size, 0, -1):
        assert operator.length_hint(iterator) == left
        next(iterator)
    assert next(iterator, None) is None
    assert operator.length_hint(iterator) == 0


def test_the_length_hint_of_a_part_is_about_what_is_left() -> None:
    d = filled(10_000)
    parts = [d.fast_iter(4, part) for part in range(4)]
    hints = [operator.length_hint(part) for part in parts]
    assert sum(hints) == pytest.approx(10_000, abs=4)
    for hint, part in zip(hints, parts, strict=True):
        assert hint == pytest.approx(len(list(part)), rel=0.2)
        assert operator.length_hint(part) == 0


def test_the_length_hint_is_never_negative() -> None:
    d = filled(1000)
    iterator = iter(d)
    for _ in range(500):
        next(iterator)
    for key in range(900):
        del d[key]
    assert operator.length_hint(iterator) == 0
    for key in range(10_000):
        d[key] = 0
    assert operator.length_hint(iterator) > 0


@iterators
def test_copies_while_others_iterate_and_write(make: Any) -> None:
    d = filled(2000)
    stable = make(filled(2000))
    ended = threading.Event()
    problems: list[BaseException] = []

    def write() -> None:
        number = 2000
        while not ended.is_set():
            d[number] = number
            del d[number]
            number += 1

    def iterate(shared: Iterator[Any]) -> None:
        try:
            for _ in shared:
                pass
        except BaseException as problem:
            problems.append(problem)

    shared = make(d)
    threads = [threading.Thread(target=write), threading.Thread(target=iterate, args=(shared,))]
    for thread in threads:
        thread.start()
    lengths = [operator.length_hint(copy.copy(shared)) for _ in range(20)]
    ended.set()
    for thread in threads:
        thread.join()
    assert not problems
    # The items that are left do not become more, except for the keys that come and go.
    assert all(later <= sooner + 40 for sooner, later in itertools.pairwise(lengths))
    assert len(list(stable)) == 2000


@iterators
def test_the_size_of_an_iterator_is_what_it_holds(make: Any) -> None:
    iterator = make(filled(5000))
    fresh = iterator.__sizeof__()
    next(iterator)
    assert iterator.__sizeof__() > fresh


def test_the_size_of_a_snapshot_shrinks_as_it_is_used() -> None:
    items = _items_at_one_instant(filled(20_000))
    full = items.__sizeof__()
    assert full > 20_000 * 16
    for _ in items:
        pass
    assert items.__sizeof__() < full / 4

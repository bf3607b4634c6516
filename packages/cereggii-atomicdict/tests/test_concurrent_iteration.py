# SPDX-License-Identifier: Apache-2.0
"""Iteration beside writers: it raises nothing, repeats nothing, and misses nothing that stays."""

from __future__ import annotations

import functools
import gc
import operator
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from cereggii_atomicdict import AtomicDict

from tools.testing.concurrency import beside, meet, run_threads
from tools.testing.interpreters import FREE_THREADED, run_program

from .workloads import THREADS, Filler, MakeKey, every_key, flat, in_threads, is_filler, resizing

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own"),
    pytest.mark.usefixtures("switch_often"),
]

ITERATING = 0.15  # seconds, for each way to iterate


def updated_with(shared: Any) -> AtomicDict[Any, Any]:
    other: AtomicDict[Any, Any] = AtomicDict()
    other.update(shared)
    return other


# Each way to see all keys, once each.
SEE: dict[str, Callable[[Any], Iterable[Any]]] = {
    "iter": iter,
    "keys": lambda d: d.keys(),
    "items": lambda d: map(operator.itemgetter(0), checked(d.items())),
    "fast_iter": lambda d: map(operator.itemgetter(0), checked(d.fast_iter())),
    "snapshot": lambda d: d.snapshot(),
    "copy": lambda d: d.copy(),
    "AtomicDict": AtomicDict,
    "update": updated_with,
    "or": lambda d: {} | d,
    "keys as a list": lambda d: list(d.keys()),
    "keys and keys": lambda d: d.keys() & [*d],
}
every_way = pytest.mark.parametrize("see", SEE.values(), ids=SEE)


def checked(items: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
    """The items, each of which has to be a filler that is its own value, or a key that stays."""
    for key, value in items:
        assert key is value if is_filler(key) else value == ("of", key)
        yield key, value


def pairs(key: MakeKey, count: int) -> dict[Any, Any]:
    return {key(number): ("of", key(number)) for number in range(count)}


@every_way
@pytest.mark.parametrize("count", [5, 300])
def test_a_key_that_stays_is_seen_once_and_none_twice(
    see: Callable[[Any], Iterable[Any]], count: int
) -> None:
    kept = pairs(int, count)
    shared: AtomicDict[Any, Any] = AtomicDict(kept)
    end = time.monotonic() + ITERATING

    def look(_: int) -> None:
        while time.monotonic() < end:
            seen = list(see(shared))
            distinct = {*seen}
            assert len(seen) == len(distinct), Counter(seen).most_common(3)
            assert not kept.keys() - distinct
            assert all(map(is_filler, distinct - kept.keys()))

    with resizing(shared, threads=2):
        in_threads(look, threads=2)


@every_key
def test_keys_of_all_kinds_are_seen_once(key: MakeKey) -> None:
    kept = pairs(key, 200)
    shared: AtomicDict[Any, Any] = AtomicDict(kept)
    end = time.monotonic() + ITERATING

    def look(see: Callable[[Any], Iterable[Any]]) -> None:
        while time.monotonic() < end:
            seen = Counter(see(shared))
            assert max(seen.values()) == 1
            assert not kept.keys() - seen.keys()

    with resizing(shared):
        run_threads(*(functools.partial(look, SEE[name]) for name in ("iter", "items")))


def test_a_key_that_is_deleted_and_inserted_again_is_seen_at_most_once(seed: int) -> None:
    """Wherever the new entry of the key lies: it is behind the iterator, or before it."""
    shared: AtomicDict[int, int] = AtomicDict({n: n for n in range(500)})
    end = time.monotonic() + 3 * ITERATING

    def replace(number: int) -> None:
        choose = random.Random(seed + number)
        while time.monotonic() < end:
            key = choose.randrange(number, 500, 2)
            del shared[key]
            shared[key] = key

    def look(see: Callable[[], Iterable[Any]]) -> None:
        while time.monotonic() < end:
            seen = [*see()]
            assert len({*seen}) == len(seen)

    run_threads(
        functools.partial(replace, 0),
        functools.partial(replace, 1),
        functools.partial(look, shared.keys),
        functools.partial(look, shared.values),
        functools.partial(look, shared.fast_iter),
    )


@pytest.mark.parametrize("see", [SEE["iter"], SEE["items"]], ids=["iter", "items"])
def test_a_key_that_is_gone_is_not_seen_any_more(see: Callable[[Any], Iterable[Any]]) -> None:
    """It is not seen even while the thread that deletes it is still in its call."""

    def delete(shared: AtomicDict[int, Any]) -> None:
        for key in range(5):
            del shared[key]

    def look(shared: AtomicDict[int, Any]) -> list[int]:
        seen = []
        for key in range(5):
            while key in shared:
                pass
            seen += [gone for gone in see(shared) if gone <= key]
        return seen

    games = [AtomicDict(pairs(int, 5)) for _ in range(600)]
    assert [seen for _, seen in meet(games, delete, look) if seen] == []


def test_a_key_and_a_value_that_are_seen_together_were_stored_together(seed: int) -> None:
    shared: AtomicDict[int, tuple[int, int]] = AtomicDict()
    end = time.monotonic() + 3 * ITERATING

    def write(number: int) -> None:
        choose = random.Random(seed + number)
        count = 0
        while time.monotonic() < end:
            key = choose.randrange(200)
            shared[key] = (key, count)
            shared.pop(choose.randrange(200), None)
            count += 1

    def look(see: Callable[[], Iterable[tuple[int, tuple[int, int]]]]) -> None:
        while time.monotonic() < end:
            for key, (owner, _) in see():
                assert key == owner

    run_threads(
        functools.partial(write, 0),
        functools.partial(write, 1),
        functools.partial(look, shared.items),
        functools.partial(look, lambda: shared.snapshot().items()),
    )


# ── partitions ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("partitions", [2, 3, 8, 100])
def test_partitions_are_disjoint_and_complete_beside_writers(partitions: int) -> None:
    kept = pairs(int, 250)
    shared: AtomicDict[Any, Any] = AtomicDict(kept)
    owner: dict[Any, int] = {}  # the partition in which a key was seen first
    end = time.monotonic() + 2 * ITERATING

    def look(_: int) -> None:
        while time.monotonic() < end:
            seen: list[Any] = []
            for which in range(partitions):
                for key, _value in checked(shared.fast_iter(partitions, which)):
                    assert owner.setdefault(key, which) == which
                    seen.append(key)
            assert len(seen) == len({*seen})
            assert not kept.keys() - {*seen}

    with resizing(shared):
        in_threads(look, threads=2)


def test_threads_that_share_the_partitions_see_all_between_them() -> None:
    kept = pairs(int, 1000)
    shared: AtomicDict[Any, Any] = AtomicDict(kept)

    def look(number: int) -> list[Counter[Any]]:
        return [
            Counter(key for key, _ in checked(shared.fast_iter(THREADS, number))) for _ in range(20)
        ]

    with resizing(shared):
        for passes in zip(*in_threads(look), strict=True):
            for seen in passes:
                assert max(seen.values()) == 1
            stayed = Counter(key for seen in passes for key in seen if not is_filler(key))
            assert stayed == Counter(kept.keys())


def test_partitions_stay_the_same_in_every_size_of_the_table() -> None:
    shared: AtomicDict[Any, Any] = AtomicDict({n: n for n in range(100)})

    def parts() -> list[list[int]]:
        return [
            sorted(key for key, _ in shared.fast_iter(7, which) if key < 100) for which in range(7)
        ]

    before = parts()
    for size in (1_000, 50_000):
        for key in range(100, size):
            shared[key] = key
        assert parts() == before
    for key in range(100, 50_000):
        del shared[key]
    assert parts() == before


@pytest.mark.parametrize("partitions", [1, 3, 13])
def test_a_thread_goes_around_once(partitions: int) -> None:
    """It goes from its own place to the end, then from the beginning. Views share one order."""
    shared = AtomicDict.fromkeys(range(10_000))
    order = [*shared.items()]
    met = threading.Barrier(THREADS)

    def look(_: int) -> list[list[tuple[int, None]]]:
        met.wait()  # while all of them live
        assert [*shared.items()] == [*shared.items()] == order
        assert [*zip(shared.keys(), shared.values(), strict=True)] == order
        asked: list[tuple[int, None]] = []
        assert shared.remove_if(lambda *item: asked.append(item)) == 0
        parts = [[*shared.fast_iter(partitions, part)] for part in range(partitions)]
        assert parts == [[*shared.fast_iter(partitions, part)] for part in range(partitions)]
        met.wait()
        return [asked, *parts]

    for seen in zip(*in_threads(look), strict=True):
        among = {*seen[0]}
        first_to_last = [item for item in order if item in among]
        for items in seen:
            start = first_to_last.index(items[0])
            assert items == first_to_last[start:] + first_to_last[:start]


@pytest.mark.parametrize("partitions", [1, 3, 13])
def test_threads_begin_in_different_places(partitions: int) -> None:
    """Threads that begin in one place would meet at every key.

    The place follows from the thread's number in the domain. In a process where others have ended,
    any numbers may live together, and two of them may begin in the same group of a small part. In a
    fresh interpreter they are consecutive.
    """
    run_program(
        """
        import sys
        import threading
        from concurrent.futures import ThreadPoolExecutor
        from cereggii_atomicdict import AtomicDict

        threads, partitions, places = map(int, sys.argv[1:])
        shared = AtomicDict.fromkeys(range(10_000))
        met = threading.Barrier(threads)

        def look(_):
            met.wait()  # while all of them live
            firsts = [next(shared.fast_iter(partitions, part)) for part in range(partitions)]
            asked = []
            shared.remove_if(lambda *item: asked.append(item))
            met.wait()
            return [asked[0], *firsts]

        with ThreadPoolExecutor(threads) as pool:
            for firsts in zip(*pool.map(look, range(threads))):
                assert len({*firsts}) == places, firsts
        """,
        str(THREADS),
        str(partitions),
        str(THREADS if FREE_THREADED else 1),
    )


# ── iterators that are open for long ───────────────────────────────────────────────────────────


@pytest.mark.parametrize("see", [SEE["iter"], SEE["items"], SEE["fast_iter"]])
def test_an_open_iterator_survives_any_number_of_resizes(
    see: Callable[[Any], Iterable[Any]],
) -> None:
    kept = pairs(int, 150)
    shared: AtomicDict[Any, Any] = AtomicDict(kept)
    iterator = iter(see(shared))
    seen = []
    fillers = [Filler(f"filler {n}") for n in range(2000)]
    for turn, key in enumerate(iterator):
        seen.append(key)
        if turn % 15 == 0:
            for filler in fillers:
                shared[filler] = filler
            shared.reserve(20_000)
        if turn % 15 == 7:
            for filler in fillers:
                shared.pop(filler, None)
            gc.collect()
    assert len({*seen}) == len(seen)
    assert not kept.keys() - {*seen}


@pytest.mark.parametrize("view", ["keys", "values", "items"])
def test_an_iterator_may_be_shared_by_threads(view: str) -> None:
    shared: AtomicDict[int, int] = AtomicDict({n: n for n in range(2000)})
    iterator = iter(getattr(shared, view)())

    def take(_: int) -> list[Any]:
        return list(iterator)

    with resizing(shared):
        taken = [item for items in in_threads(take) for item in items]
    stayed = Counter(item[0] if view == "items" else item for item in taken)
    for item in [*stayed]:
        if is_filler(item):
            del stayed[item]
    assert stayed == Counter(range(2000))


def test_each_item_of_a_shared_iterator_goes_to_one_thread() -> None:
    """Where nothing is written, and so nothing else keeps the threads apart."""
    shared = AtomicDict.fromkeys(range(3000))
    iterators = [iter(shared) for _ in range(100)]
    for parts in meet(iterators, list, list):
        assert sorted(flat([*parts])) == [*range(3000)]


def test_a_finalizer_may_go_on_with_the_iterator_that_runs_it() -> None:
    """An iterator drops values that are replaced while it takes them, and others' garbage."""
    shared: AtomicDict[int, Any] = AtomicDict()
    values = shared.values()
    current = iter(values)
    end = time.monotonic() + 4 * ITERATING

    class Goes:
        def __del__(self) -> None:
            next(current, None)

    for key in range(20):
        shared[key] = Goes()

    def write(_: int) -> None:
        while time.monotonic() < end:
            for key in range(20):
                shared[key] = Goes()
            del shared[7]

    def look(_: int) -> None:
        nonlocal current
        while time.monotonic() < end:
            current = iter(values)
            for _value in current:
                pass

    with beside(functools.partial(write, 0)):
        in_threads(look, threads=2)


def test_iterators_are_dropped_half_way_while_others_write() -> None:
    shared: AtomicDict[Any, Any] = AtomicDict(pairs(int, 100))

    def drop(_: int) -> None:
        for turn in range(300):
            iterators = [iter(shared), iter(shared.items()), shared.fast_iter(3, turn % 3)]
            for iterator in iterators:
                for _ in range(turn % 20):
                    next(iterator, None)
            del iterators

    def collect() -> None:
        time.sleep(0.01)
        gc.collect()

    with resizing(shared), beside(collect):
        in_threads(drop, threads=2)

# SPDX-License-Identifier: Apache-2.0
"""What threads delete is freed, once, and not before the last of them is done with it."""

from __future__ import annotations

import functools
import gc
import random
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from cereggii_atomicdict import ANY, NOT_FOUND, AtomicDict

from tools.testing.concurrency import background, eventually, meet, run_threads

from .crowd import THREADS, Crowded, Name, access, beside, check_whole, in_threads, resizing

pytestmark = [
    pytest.mark.thread_unsafe(reason="measures when objects die"),
    pytest.mark.usefixtures("switch_often"),
]


def make_pairs(count: int) -> tuple[AtomicDict[Any, Any], list[weakref.ref[Name]]]:
    """A dict of objects, and references to all of them."""
    d: AtomicDict[Any, Any] = AtomicDict()
    references = []
    for number in range(count):
        key, value = Name(number), Name(number)
        d[key] = value
        references += [weakref.ref(key), weakref.ref(value)]
    return d, references


def all_dead(references: list[weakref.ref[Any]]) -> bool:
    return all(reference() is None for reference in references)


def test_threads_that_have_ended_leave_nothing_behind() -> None:
    d, references = make_pairs(4000)

    def work(number: int) -> None:
        mine = access(d, number)
        for n in range(number, 4000, THREADS):
            del mine[Name(n)]
            mine.get(Name(n + 1))

    in_threads(work)
    other: AtomicDict[int, int] = AtomicDict()
    other[1] = 1
    assert eventually(lambda: all_dead(references), timeout=10)
    check_whole(d, {})


def test_threads_that_are_idle_keep_nothing() -> None:
    d, references = make_pairs(500)
    done, ready = threading.Event(), threading.Barrier(3)

    def work(number: int) -> None:
        for n in range(number, 400, 2):
            del d[Name(n)]
        next(iter(d)), d.get(Name(450)), d.snapshot()
        ready.wait(60)
        done.wait(60)

    with background(functools.partial(work, 0), functools.partial(work, 1)):
        try:
            ready.wait(60)
            for n in range(400, 500):
                del d[Name(n)]
            assert eventually(lambda: all_dead(references), timeout=10)
        finally:
            done.set()


def test_a_thread_that_waits_in_a_comparison_keeps_no_more_than_it_compares() -> None:
    d, references = make_pairs(500)
    inside, go_on = threading.Event(), threading.Event()

    class Waiting(Name):
        def __eq__(self, other: object) -> bool:
            inside.set()
            return go_on.wait(60)

        __hash__ = Name.__hash__

    compared = Waiting(10**6)
    d[compared] = 1
    with background(lambda: d.get(Waiting(10**6))):
        try:
            assert inside.wait(60)
            for n in range(500):
                d[n + 1000] = n
                assert d.pop(Name(n)).number == n
            assert all_dead(references)
            d.clear()
            assert len(d) == 0
        finally:
            go_on.set()


def keys_before_growth(least: int) -> int:
    """With how many keys a dict grows when it gets another."""
    d: AtomicDict[int, None] = AtomicDict(dict.fromkeys(range(least)))
    while True:
        size = d.__sizeof__()
        d[len(d)] = None
        if d.__sizeof__() - size > least:
            return len(d) - 1


class Moved(NamedTuple):
    """A dict that is about to grow, and some of its keys."""

    shared: AtomicDict[Any, Any]
    keys: list[Any]


def test_what_is_deleted_while_it_is_moved_to_another_table_is_freed(seed: int) -> None:
    """Who deletes a key that is being moved leaves it to the mover to take it out."""

    class Key:
        """Compared by identity, which is fast."""

    choose = random.Random(seed)
    size = keys_before_growth(300)
    games, references = [], []
    for _ in range(200):
        keys = [Key() for _ in range(size)]
        d: AtomicDict[Any, Any] = AtomicDict(dict.fromkeys(keys))
        games.append(Moved(d, choose.sample(keys, size // 3)))
        references.append([weakref.ref(key) for key in games[-1].keys])
    del keys

    def move(game: Moved) -> None:
        for filler in range(60):
            game.shared[filler] = None

    def delete(game: Moved) -> None:
        while game.keys:
            del game.shared[game.keys.pop()]

    meet(games, move, delete)
    for game, dead in zip(games, references, strict=True):
        for _ in range(100):
            game.shared["another"] = None  # in case the table is still being emptied
            del game.shared["another"]
        assert all_dead(dead)
        check_whole(game.shared)


class Counted:
    """Says when it dies."""

    __slots__ = ("_died", "name")

    def __init__(self, name: Any, died: list[Any]) -> None:
        self.name = name
        self._died = died

    def __hash__(self) -> int:
        return hash(self.name) // 3

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Counted) and self.name == other.name

    def __del__(self) -> None:
        self._died.append(self.name)


@pytest.mark.parametrize("cleared", [False, True])
def test_everything_dies_once(seed: int, cleared: bool) -> None:
    d: AtomicDict[Any, Any] = AtomicDict()
    died: list[Any] = []
    repeats = 1500

    def work(number: int) -> None:
        choose = random.Random(seed + number)
        mine = access(d, number)

        def new_key() -> Counted:
            died_not.append(1)
            return Counted(choose.randrange(200), died)

        died_not: list[int] = made[number]
        for count in range(repeats):
            died_not.append(1)
            value = Counted(-1 - count, died)
            operation = choose.randrange(7)
            if operation == 0:
                mine[new_key()] = value
            elif operation == 1:
                mine.setdefault(new_key(), value)
            elif operation == 2:
                mine.get_and_set(new_key(), value)
            elif operation == 3:
                mine.compare_and_exchange(new_key(), choose.choice([NOT_FOUND, ANY, value]), value)
            elif operation == 4:
                mine.pop(new_key(), None)
            elif operation == 5:
                sum(1 for _ in mine.items())
            elif cleared and choose.random() < 0.1:
                mine.clear()
            else:
                mine.get(new_key())
            del value

    made: list[list[int]] = [[] for _ in range(THREADS)]
    with resizing(d, cleared=cleared):
        in_threads(work)
    total = sum(map(len, made))
    left = 2 * len(d)
    assert eventually(lambda: len(died) >= total - left, timeout=10)
    assert len(died) == total - left
    d.clear()
    assert eventually(lambda: len(died) >= total, timeout=10)
    assert len(died) == total


def test_what_is_read_while_it_is_removed_is_alive_and_whole() -> None:
    """What each key has as value is marked with the key, and nobody finds another's, or a dead one.

    Its memory is used for the next object of that size at once.
    """
    d: AtomicDict[int, Any] = AtomicDict()
    keys = range(3)
    done = threading.Event()

    def write() -> None:
        for _ in range(4000):
            for key in keys:
                d[key] = key + 0.5
            for key in keys:
                del d[key]
        done.set()

    def read(key: int, find: Callable[[int], Any]) -> None:
        while not done.is_set():
            found = find(key)
            assert found is None or found == key + 0.5

    run_threads(
        write,
        functools.partial(read, 0, d.get),
        functools.partial(read, 1, lambda key: dict(d.items()).get(key)),
        functools.partial(read, 2, lambda key: d.snapshot().get(key)),
    )


def test_keys_are_alive_and_whole_while_they_are_compared_and_removed() -> None:
    d: AtomicDict[Any, int] = AtomicDict()
    done = threading.Event()

    def write() -> None:
        for turn in range(1500):
            for number in range(10):
                d[Crowded(number)] = turn
            for number in range(10):
                del d[Crowded(number)]
        done.set()

    def look() -> None:
        while not done.is_set():
            for number in range(10):
                assert d.get(Crowded(number), 0) >= 0
            assert all(0 <= key.number < 10 for key in d)

    run_threads(write, look, look)
    check_whole(d, {})


def test_cycles_through_shared_dicts_are_freed_while_threads_go_on() -> None:
    shared: AtomicDict[Any, Any] = AtomicDict()
    references: list[list[weakref.ref[Any]]] = [[] for _ in range(THREADS)]

    def work(number: int) -> None:
        mine = access(shared, number)
        for turn in range(300):
            own: AtomicDict[Any, Any] = AtomicDict({number: shared})
            own["me"] = own
            own[Name(turn)] = own.get_handle()
            references[number].append(weakref.ref(own))
            mine[turn % 20] = own
            if turn % 3 == 0:
                mine.pop(choose_key(turn), None)
            del own

    def collect() -> None:
        time.sleep(0.01)
        gc.collect()

    with beside(collect):
        in_threads(work)
    shared.clear()

    def gone() -> bool:
        gc.collect()
        return all(map(all_dead, references))

    assert eventually(gone, timeout=20)


def choose_key(turn: int) -> int:
    return turn * 7 % 20

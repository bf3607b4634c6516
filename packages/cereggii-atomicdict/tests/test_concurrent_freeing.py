# SPDX-License-Identifier: Apache-2.0
"""A deleted object is freed once, and not before the last thread is done with it."""

from __future__ import annotations

import functools
import gc
import operator
import random
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from cereggii_atomicdict import ANY, NOT_FOUND, AtomicDict

from tools.testing.concurrency import background, beside, eventually, meet, run_threads

from .workloads import THREADS, Crowded, Name, access, check_whole, in_threads, resizing

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


REMOVALS: dict[str, Callable[[AtomicDict[Any, Any], Name], Any]] = {
    "del": lambda d, key: d.__delitem__(key),
    "pop": lambda d, key: d.pop(key),
    "popitem": lambda d, _: d.popitem(),
    "compare_and_delete": lambda d, key: d.compare_and_delete(key, ANY),
    "clear": lambda d, _: d.clear(),
}


@pytest.mark.parametrize("remove", REMOVALS.values(), ids=REMOVALS)
def test_an_object_of_another_thread_dies_before_it_is_removed(
    remove: Callable[[AtomicDict[Any, Any], Name], Any],
) -> None:
    """The interpreter alone would free it only when the thread that made it runs again."""
    d, references = make_pairs(1)
    alive = []

    def work() -> None:
        remove(d, Name(0))
        alive.extend(reference() for reference in references)

    run_threads(work)
    assert alive == [None, None]


def test_a_value_that_another_thread_made_dies_before_it_is_replaced() -> None:
    d, references = make_pairs(1)
    alive = []

    def work() -> None:
        d[Name(0)] = None
        alive.extend(reference() for reference in references)

    run_threads(work)
    assert [*map(type, alive)] == [Name, type(None)]


@pytest.mark.parametrize("expected", [ANY, None], ids=["anything", "itself"])
def test_a_value_stored_over_itself_dies_as_if_it_had_been_stored_once(expected: object) -> None:
    d: AtomicDict[str, Name] = AtomicDict()
    value = d["key"] = Name(0)
    d.compare_and_set("key", expected or value, value)
    reference = weakref.ref(value)
    del value
    alive = []

    def work() -> None:
        del d["key"]
        alive.append(reference())

    run_threads(work)
    assert alive == [None]


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
    """The number of keys at which a dict grows when one more is inserted."""
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


def test_a_key_that_is_deleted_during_its_migration_is_freed() -> None:
    """A thread that deletes a key in migration leaves the unlinking to the migrator."""

    class Key:
        """Compared by identity, which is fast."""

    size = keys_before_growth(300)
    games, references = [], []
    for _ in range(400):
        d: AtomicDict[Any, Any] = AtomicDict()
        for _ in range(size):
            d[Key()] = None
        # Deleted from the last on: in the order of their migration, to meet the migrator.
        games.append(Moved(d, [*d][::-3]))
        references.append([weakref.ref(key) for key in games[-1].keys])

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


def test_a_migrator_runs_no_finalizer_of_a_key_that_another_thread_deletes() -> None:
    """A migrator may only update or insert."""
    died_in: set[int] = set()
    migrators: set[int] = set()

    class Key:
        def __del__(self) -> None:
            died_in.add(threading.get_ident())

    size = keys_before_growth(300)
    games = []
    for _ in range(400):
        d: AtomicDict[Any, Any] = AtomicDict()
        for _ in range(size):
            d[Key()] = None
        games.append(Moved(d, [*d][::-3]))

    def move(game: Moved) -> None:
        migrators.add(threading.get_ident())
        for filler in range(60):
            game.shared[filler] = None

    def delete(game: Moved) -> None:
        while game.keys:
            del game.shared[game.keys.pop()]

    meet(games, move, delete)
    assert not died_in & migrators


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


# A reader finds an address, and before it has taken a reference, the object there may be removed,
# freed, and its memory given to the next object of that size, which becomes the value of another
# key. So each key has only values that carry its number, and a reader looks for the number.

TAGGED: dict[str, tuple[Callable[[int], Any], Callable[[Any], int]]] = {
    # The interpreter itself keeps the memory of these for the next object of the type: the surest.
    "float": (lambda tag: tag + 0.5, int),
    "tuple": (lambda tag: (tag,), operator.itemgetter(0)),
    "list": (lambda tag: [tag], operator.itemgetter(0)),
}
FIND: dict[str, Callable[[Any, int], Any]] = {
    "get": lambda d, key: d.get(key),
    "compare_and_exchange": lambda d, key: d.compare_and_exchange(key, -1, None),
    "items": lambda d, key: dict(d.items())[key],
    "snapshot": lambda d, key: d.snapshot()[key],
}


@pytest.mark.parametrize("find", FIND.values(), ids=FIND)
@pytest.mark.parametrize(("make_tagged", "tag_of"), TAGGED.values(), ids=TAGGED)
def test_a_value_read_during_a_replacement_was_a_value_of_the_key(
    find: Callable[[Any, int], Any],
    make_tagged: Callable[[int], Any],
    tag_of: Callable[[Any], int],
) -> None:
    keys = range(3)
    d: AtomicDict[int, Any] = AtomicDict({key: make_tagged(key) for key in keys})
    end = time.monotonic() + (0.6 if find is FIND["get"] else 0.2)
    strangers: list[str] = []

    def write() -> None:
        while time.monotonic() < end and not strangers:
            for _ in range(200):
                for key in keys:
                    d[key] = make_tagged(key)

    def read(key: int) -> None:
        mine = access(d, key)
        while time.monotonic() < end and not strangers:
            for _ in range(200):
                found = tag_of(find(mine, key))
                if found != key:
                    strangers.append(f"read for key {key} what was stored for {found}")

    run_threads(write, *(functools.partial(read, key) for key in keys))
    assert strangers == []


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

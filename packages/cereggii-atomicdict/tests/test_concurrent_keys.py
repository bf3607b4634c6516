# SPDX-License-Identifier: Apache-2.0
"""While a table grows, shrinks and drops tombstones, no key is lost, doubled or resurrected."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable, Hashable
from typing import Any

import pytest
from cereggii_atomicdict import ANY, NOT_FOUND, AtomicDict, ExpectationFailed

from tools.testing.concurrency import meet, run_threads

from .workloads import THREADS, MakeKey, access, check_whole, every_key, in_threads, resizing

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own"),
    pytest.mark.usefixtures("switch_often"),
]

# ── each thread's own keys ─────────────────────────────────────────────────────────────────────


class Own:
    """A thread's own keys in a shared dict, and what they have to be."""

    def __init__(self, shared: Any, key: MakeKey, numbers: range) -> None:
        self.shared = shared
        self.key = key
        self.numbers = numbers
        self.model: dict[Hashable, Any] = {}

    def check(self) -> None:
        for number in self.numbers:
            key = self.key(number)
            assert self.shared.get(key) is self.model.get(key)
            assert (key in self.shared) is (key in self.model)


# Each makes one call on the shared dict, and the same on the model: with the same result.
Operation = Callable[[Any, dict[Any, Any], Any, Any], None]


def set_item(shared: Any, model: dict[Any, Any], key: Any, value: Any) -> None:
    shared[key] = model[key] = value


def set_default(shared: Any, model: dict[Any, Any], key: Any, value: Any) -> None:
    assert shared.setdefault(key, value) is model.setdefault(key, value)


def get_and_set(shared: Any, model: dict[Any, Any], key: Any, value: Any) -> None:
    assert shared.get_and_set(key, value) is model.get(key, NOT_FOUND)
    model[key] = value


def compare_and_set(shared: Any, model: dict[Any, Any], key: Any, value: Any) -> None:
    assert shared.compare_and_set(key, model.get(key, NOT_FOUND), value) is None
    model[key] = value


def fail_to_compare_and_set(shared: Any, model: dict[Any, Any], key: Any, value: Any) -> None:
    expected = NOT_FOUND if key in model else value
    with pytest.raises(ExpectationFailed):
        shared.compare_and_set(key, expected, value)


def compare_and_exchange(shared: Any, model: dict[Any, Any], key: Any, value: Any) -> None:
    assert shared.compare_and_exchange(key, ANY, value) is model.get(key, NOT_FOUND)
    model[key] = value


def update(shared: Any, model: dict[Any, Any], key: Any, value: Any) -> None:
    shared.update({key: value})
    model[key] = value


def look_up(shared: Any, model: dict[Any, Any], key: Any, _: Any) -> None:
    assert shared.get(key) is model.get(key)
    if key in model:
        assert shared[key] is model[key]
    else:
        with pytest.raises(KeyError):
            shared[key]


def delete(shared: Any, model: dict[Any, Any], key: Any, _: Any) -> None:
    if key in model:
        del shared[key], model[key]
    else:
        with pytest.raises(KeyError):
            del shared[key]


def pop(shared: Any, model: dict[Any, Any], key: Any, _: Any) -> None:
    assert shared.pop(key, None) is model.pop(key, None)


def compare_and_delete(shared: Any, model: dict[Any, Any], key: Any, value: Any) -> None:
    with pytest.raises(ExpectationFailed):
        shared.compare_and_delete(key, value)
    if key in model:
        assert shared.compare_and_delete(key, model.pop(key)) is None


INSERT: list[Operation] = [set_item, set_default, get_and_set, compare_and_set, update]
INSERT += [compare_and_exchange, look_up, fail_to_compare_and_set]
DELETE: list[Operation] = [delete, pop, compare_and_delete, look_up]


@every_key
def test_a_thread_finds_its_own_keys_right_while_others_make_the_table_grow_and_shrink(
    key: MakeKey, seed: int
) -> None:
    shared: AtomicDict[Any, Any] = AtomicDict()
    each, calls = 250, 600

    def work(number: int) -> dict[Any, Any]:
        choose = random.Random(seed + number)
        own = Own(access(shared, number), key, range(number, THREADS * each, THREADS))
        for _ in range(4):
            for share in (0.95, 0.5, 0.02):  # of calls that insert
                for _ in range(calls):
                    operation = choose.choice(INSERT if choose.random() < share else DELETE)
                    operation(own.shared, own.model, key(choose.choice(own.numbers)), object())
                own.check()
        for number in own.numbers[::3]:
            set_item(own.shared, own.model, key(number), object())
        return own.model

    expected: dict[Any, Any] = {}
    for model in in_threads(work):
        expected.update(model)
    check_whole(shared, expected)


@every_key
def test_all_keys_of_all_threads_are_there_when_the_table_grew_under_them(key: MakeKey) -> None:
    each = 1500
    shared: AtomicDict[Any, Any] = AtomicDict()

    def work(number: int) -> None:
        mine = access(shared, number)
        for n in range(number, THREADS * each, THREADS):
            mine[key(n)] = n
            assert mine[key(n)] == n

    in_threads(work)
    check_whole(shared, {key(n): n for n in range(THREADS * each)})

    def remove(number: int) -> None:
        mine = access(shared, number)
        for n in range(number, THREADS * each, THREADS):
            if n % 100:
                assert mine.pop(key(n)) == n
                assert key(n) not in mine

    in_threads(remove)
    check_whole(shared, {key(n): n for n in range(0, THREADS * each, 100)})


def test_keys_that_are_inserted_just_as_a_table_begins_to_be_emptied_are_there() -> None:
    """A migrator has found their slots empty, and is about to freeze them."""

    def resize(shared: AtomicDict[int, int]) -> None:
        for size in (10, 20, 40, 80, 160, 320):
            shared.reserve(size)

    def insert(shared: AtomicDict[int, int]) -> None:
        for key in range(1, 30):
            shared[key] = key

    games: list[AtomicDict[int, int]] = [AtomicDict({0: 0}) for _ in range(8000)]
    meet(games, resize, insert)
    expected = {key: key for key in range(30)}
    assert [found for game in games if (found := game.snapshot()) != expected] == []


@every_key
def test_keys_that_stay_are_found_at_every_moment(key: MakeKey) -> None:
    kept = {key(number): object() for number in range(40)}
    shared: AtomicDict[Any, Any] = AtomicDict(kept)
    end = time.monotonic() + 0.3

    def look(number: int) -> None:
        mine = access(shared, number)
        while time.monotonic() < end:
            for number, value in enumerate(kept.values()):
                assert mine[key(number)] is value
                assert mine.get(key(number)) is value
                assert key(number) in mine
                assert mine.setdefault(key(number), None) is value
                assert mine.compare_and_exchange(key(number), NOT_FOUND, None) is value

    with resizing(shared, threads=2):
        in_threads(look, threads=2)
    check_whole(shared, kept)


@every_key
def test_keys_that_are_absent_are_found_at_no_moment(key: MakeKey) -> None:
    shared: AtomicDict[Any, Any] = AtomicDict({key(number): number for number in range(40)})
    end = time.monotonic() + 0.2

    def look(number: int) -> None:
        mine = access(shared, number)
        while time.monotonic() < end:
            for absent in range(40, 80):
                assert mine.get(key(absent)) is None
                assert mine.pop(key(absent), None) is None
                with pytest.raises(ExpectationFailed):
                    mine.compare_and_set(key(absent), 1, 2)

    with resizing(shared, threads=2):
        in_threads(look, threads=2)
    assert len(shared) == 40


# ── shared keys ────────────────────────────────────────────────────────────────────────────────


@every_key
def test_a_key_only_moves_forward(key: MakeKey, seed: int) -> None:
    """Its writer counts up, deletes it now and then, and goes on: nobody sees an older value."""
    shared: AtomicDict[Any, Any] = AtomicDict()
    keys, last = 8, 1500

    def write() -> None:
        choose = random.Random(seed)
        for version in range(1, last + 1):
            for number in range(keys):
                shared[key(number)] = version
                if choose.random() < 0.3:
                    assert shared.pop(key(number)) == version
        for number in range(keys):
            shared[key(number)] = last + 1

    def read(find: Callable[[Any], Any]) -> None:
        seen = [0] * keys
        while min(seen) <= last:
            for number in range(keys):
                found = find(key(number))
                if found is not None:
                    assert found >= seen[number]
                    seen[number] = found

    handle = shared.get_handle()

    def find_in_snapshot(key: Any) -> Any:
        found = handle.snapshot().get(key)
        time.sleep(0.0002)  # or the writer, which waits for each, hardly comes to write
        return found

    with resizing(shared):
        run_threads(
            write, functools.partial(read, shared.get), functools.partial(read, find_in_snapshot)
        )


def add_by_compare_and_set(shared: Any, key: Any) -> int:
    while True:
        found = shared.get(key, None)
        updated = 1 if found is None else found + 1
        try:
            shared.compare_and_set(key, NOT_FOUND if found is None else found, updated)
        except ExpectationFailed:
            continue
        return int(updated)


def add_by_compare_and_exchange(shared: Any, key: Any) -> int:
    expected: Any = NOT_FOUND
    while True:
        updated = 1 if expected is NOT_FOUND else expected + 1
        found = shared.compare_and_exchange(key, expected, updated)
        if found is expected or (expected is not NOT_FOUND and found == expected):
            return int(updated)
        expected = found


def add_by_pop(shared: Any, key: Any) -> int:
    """The thread that takes the number out puts the next one in; the others find none."""
    while (found := shared.pop(key, None)) is None:
        pass
    shared.compare_and_set(key, NOT_FOUND, found + 1)  # nobody else can have
    return int(found) + 1


def add_by_compare_and_delete(shared: Any, key: Any) -> int:
    while True:
        found = shared.get(key)
        if found is not None:
            try:
                shared.compare_and_delete(key, found)
            except ExpectationFailed:
                continue
            assert shared.compare_and_exchange(key, NOT_FOUND, found + 1) is NOT_FOUND
            return int(found) + 1


ADD: dict[str, Callable[[Any, Any], int]] = {
    "compare_and_set": add_by_compare_and_set,
    "compare_and_exchange": add_by_compare_and_exchange,
    "pop": add_by_pop,
    "compare_and_delete": add_by_compare_and_delete,
}


@pytest.mark.parametrize("add", ADD.values(), ids=ADD)
@pytest.mark.parametrize("keys", [1, 16])
def test_every_result_of_counting_is_given_once(
    add: Callable[[Any, Any], int], keys: int, seed: int
) -> None:
    start = 1000  # no number that a cache holds
    shared: AtomicDict[int, int] = AtomicDict(dict.fromkeys(range(keys), start))
    repeats = 1200

    def work(number: int) -> list[tuple[int, int]]:
        choose = random.Random(seed + number)
        mine = access(shared, number)
        results = []
        for _ in range(repeats):
            key = choose.randrange(keys)
            results.append((key, add(mine, key)))
        return results

    with resizing(shared):
        results = [result for mine in in_threads(work) for result in mine]
    assert sum(shared.values()) == keys * start + THREADS * repeats
    for key in range(keys):
        given = sorted(value for where, value in results if where == key)
        assert given == [*range(start + 1, shared[key] + 1)]


def test_all_ways_to_count_from_nothing_add_up(seed: int) -> None:
    shared: AtomicDict[str, int] = AtomicDict()

    def work(number: int) -> None:
        choose = random.Random(seed + number)
        mine = access(shared, number)
        for _ in range(1000):
            add = choose.choice([add_by_compare_and_set, add_by_compare_and_exchange])
            add(mine, f"key {int(choose.expovariate(0.05))}")

    in_threads(work)
    check_whole(shared)
    assert sum(shared.values()) == THREADS * 1000

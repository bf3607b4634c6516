# SPDX-License-Identifier: Apache-2.0
"""An AtomicKeyedCounter loses no count, whatever threads do with it at the same time."""

from __future__ import annotations

import contextlib
import copy
import itertools
import pickle
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest
from cereggii import AtomicKeyedCounter

from tools.testing.concurrency import (
    PATIENCE,
    THREADS,
    background,
    concurrent,
    in_threads,
    meet,
)

from .keyed_counters import both_forms, handle_of, plain

# The shared counter, or a handle of it, for the thread of this number.
Access: TypeAlias = Callable[[AtomicKeyedCounter[Any], int], Any]
ACCESS: dict[str, Access] = {
    "counter": lambda shared, _: shared,
    "handles": lambda shared, _: shared.get_handle(),
    "both": lambda shared, number: shared if number % 2 else shared.get_handle(),
}
every_access = pytest.mark.parametrize("access", ACCESS.values(), ids=ACCESS)


REPEATS = 300


class Word(str):
    """A key that lets other threads in between any two steps, in each of which it is hashed."""

    __slots__ = ()

    def __hash__(self) -> int:
        time.sleep(0)
        return str.__hash__(self)


@concurrent
@every_access
def test_threads_that_add_to_a_key_each_see_another_count(access: Access) -> None:
    shared: AtomicKeyedCounter[str] = AtomicKeyedCounter()
    key = Word("key")

    def work(number: int) -> list[int]:
        mine = access(shared, number)
        return [mine.add(key) for _ in range(REPEATS)]

    seen = in_threads(work)
    for own in seen:
        assert own == sorted(own)
    assert sorted(itertools.chain(*seen)) == [*range(1, THREADS * REPEATS + 1)]
    assert plain(shared) == {key: THREADS * REPEATS}


WORDS = [Word(f"word{number}") for number in range(5)]
ONES = dict.fromkeys(WORDS, 1)
MINUS_ONES = dict.fromkeys(WORDS, -1)

# The ways to change the count of each of the words by 1, or by -1.
WAYS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "add": (lambda mine: [mine.add(word) for word in WORDS], 1),
    "add less": (lambda mine: [mine.add(word, -1) for word in WORDS], -1),
    "update with items": (lambda mine: mine.update(WORDS), 1),
    "update with an iterator": (lambda mine: mine.update(iter(WORDS)), 1),
    "update with counts": (lambda mine: mine.update(ONES), 1),
    "update with a counter": (lambda mine: mine.update(AtomicKeyedCounter(WORDS)), 1),
    "update by name": (lambda mine: mine.update(**ONES), 1),
    "subtract items": (lambda mine: mine.subtract(WORDS), -1),
    "subtract counts": (lambda mine: mine.subtract(MINUS_ONES), 1),
    "subtract a counter": (lambda mine: mine.subtract(AtomicKeyedCounter(WORDS)), -1),
    "subtract by name": (lambda mine: mine.subtract(**ONES), -1),
    "+= Counter": (lambda mine: mine.__iadd__(Counter(WORDS)), 1),
    "+= handle": (lambda mine: mine.__iadd__(handle_of(WORDS)), 1),
    "-= Counter": (lambda mine: mine.__isub__(Counter(WORDS)), -1),
}


@concurrent
@pytest.mark.parametrize(("way", "amount"), WAYS.values(), ids=WAYS)
def test_no_count_of_threads_that_count_at_once_is_lost(
    way: Callable[[Any], Any], amount: int
) -> None:
    shared = AtomicKeyedCounter(dict.fromkeys(WORDS, 10**6))
    accesses = [shared, shared, shared.get_handle(), shared.get_handle()]
    times = 50
    meet([None] * times, *(lambda _, mine=mine: way(mine) for mine in accesses))
    assert plain(shared) == dict.fromkeys(WORDS, 10**6 + len(accesses) * times * amount)


def counting(choose: random.Random, words: list[str]) -> tuple[Callable[[Any], Any], Counter[str]]:
    """A way to count, chosen at random, and what it adds up to."""
    chosen = choose.choices(words, k=choose.randrange(1, 20))
    amounts = {word: choose.randrange(-5, 6) for word in chosen}
    negative = Counter({word: -amount for word, amount in amounts.items()})
    ways: list[tuple[Callable[[Any], Any], Counter[str]]] = [
        (lambda mine: mine.add(chosen[0]), Counter(chosen[:1])),
        (
            lambda mine: mine.add(chosen[0], amounts[chosen[0]]),
            Counter({chosen[0]: amounts[chosen[0]]}),
        ),
        (lambda mine: mine.update(chosen), Counter(chosen)),
        (lambda mine: mine.update(iter(chosen)), Counter(chosen)),
        (lambda mine: mine.update(amounts), Counter(amounts)),
        (lambda mine: mine.update(AtomicKeyedCounter(amounts)), Counter(amounts)),
        (lambda mine: mine.update(**amounts), Counter(amounts)),
        (lambda mine: mine.subtract(negative), Counter(amounts)),
        (lambda mine: mine.subtract(**negative), Counter(amounts)),
        (lambda mine: mine.subtract(chosen), Counter({w: -chosen.count(w) for w in chosen})),
    ]
    return choose.choice(ways)


@concurrent
@every_access
@pytest.mark.parametrize("words", [1, 10, 1000])
def test_no_count_is_lost_however_threads_count(access: Access, words: int, seed: int) -> None:
    shared: AtomicKeyedCounter[str] = AtomicKeyedCounter()
    vocabulary = [f"word{number}" for number in range(words)]

    def work(number: int) -> Counter[str]:
        choose = random.Random(seed + number)
        mine = access(shared, number)
        whole: Counter[str] = Counter()
        for _ in range(REPEATS):
            count, amounts = counting(choose, vocabulary)
            count(mine)
            whole.update(amounts)
        return whole

    expected: Counter[str] = Counter()
    for own in in_threads(work):
        expected.update(own)
    assert plain(shared) == dict(expected)
    assert shared.total() == sum(expected.values())


@concurrent
@every_access
def test_no_count_is_lost_by_in_place_additions(access: Access, seed: int) -> None:
    """`add` and `update` run meanwhile. No count falls to 0: in-place operators would remove it."""
    shared: AtomicKeyedCounter[int] = AtomicKeyedCounter()
    makers: list[Callable[[Any], Any]] = [Counter, AtomicKeyedCounter, handle_of]

    def work(number: int) -> Counter[int]:
        choose = random.Random(seed + number)
        mine = access(shared, number)
        whole: Counter[int] = Counter()
        for _ in range(REPEATS):
            amounts = {choose.randrange(20): choose.randrange(1, 5) for _ in range(3)}
            way = choose.randrange(3)
            before = mine
            if way == 0:
                mine += choose.choice(makers)(amounts)
            elif way == 1:
                mine.update(amounts)
            else:
                for key, amount in amounts.items():
                    assert mine.add(key, amount) >= amount
            assert mine is before
            whole.update(amounts)
        return whole

    expected: Counter[int] = sum(in_threads(work), Counter())
    assert plain(shared) == expected


@concurrent
@every_access
def test_no_count_is_lost_by_in_place_subtractions(access: Access) -> None:
    shared: AtomicKeyedCounter[int] = AtomicKeyedCounter(
        {key: THREADS * REPEATS + key for key in range(5)}
    )

    def work(number: int) -> None:
        mine = access(shared, number)
        for _ in range(REPEATS):
            mine -= Counter(range(5))

    in_threads(work)
    assert plain(shared) == {key: key for key in range(1, 5)}


@concurrent
@every_access
def test_in_place_unions_and_intersections_meet(access: Access, seed: int) -> None:
    largest: AtomicKeyedCounter[int] = AtomicKeyedCounter()
    smallest = AtomicKeyedCounter(dict.fromkeys(range(5), 10**6))

    def work(number: int) -> list[dict[int, int]]:
        choose = random.Random(seed + number)
        larger, smaller = access(largest, number), access(smallest, number)
        seen = []
        for _ in range(REPEATS):
            seen.append({key: choose.randrange(1, 10**5) for key in range(5)})
            larger |= Counter(seen[-1])
            smaller &= Counter(seen[-1])
        return seen

    seen = [*itertools.chain(*in_threads(work))]
    assert plain(largest) == {key: max(each[key] for each in seen) for key in range(5)}
    assert plain(smallest) == {key: min(each[key] for each in seen) for key in range(5)}


@concurrent
@every_access
def test_each_count_that_is_popped_or_left_was_counted_once(access: Access) -> None:
    shared: AtomicKeyedCounter[int] = AtomicKeyedCounter()

    def work(number: int) -> int:
        mine = access(shared, number)
        popped = 0
        for n in range(REPEATS):
            mine.update(range(5))
            popped += mine.pop(n % 5, 0)
        return popped

    assert sum(in_threads(work)) + shared.total() == THREADS * REPEATS * 5


@concurrent
def test_threads_may_delete_the_same_key_at_the_same_time() -> None:
    counters = [AtomicKeyedCounter(["key"]) for _ in range(300)]

    def delete(counter: AtomicKeyedCounter[str]) -> None:
        del counter["key"]

    meet(counters, *[delete] * THREADS)
    assert not any(counters)


IN_TURN = [Word(f"word{number}") for number in range(20)]

# The results of operations on all keys, as counts.
SNAPSHOTS: dict[str, Callable[[Any], Any]] = {
    "most_common": lambda mine: dict(mine.most_common()),
    "elements": lambda mine: Counter(map(str, mine.elements())),
    "copy": lambda mine: plain(mine.copy()),
    "copy.copy": lambda mine: plain(copy.copy(mine)),
    "pickle": lambda mine: plain(pickle.loads(pickle.dumps(mine))),
    "+": lambda mine: plain(mine + Counter()),
    "-": lambda mine: plain(mine - Counter()),
    "|": lambda mine: plain(Counter() | mine),
    "&": lambda mine: plain(mine & Counter(dict.fromkeys(IN_TURN, 10**9))),
    "unary +": lambda mine: plain(+mine),
    "repr": lambda mine: eval(repr(mine).partition("(")[2].rpartition(")")[0]),
}


@contextlib.contextmanager
def beside(step: Callable[[int], None], turns: int = 1000) -> Iterator[Iterator[None]]:
    """Call step(number) for all numbers, `turns` times, in another thread; yields when to look."""
    started, enough = threading.Event(), threading.Event()

    def work() -> None:
        for _ in range(turns):
            for number in range(len(IN_TURN)):
                step(number)
            started.set()
            if enough.is_set():
                return

    with background(work) as [task]:
        try:
            assert started.wait(PATIENCE)
            yield (None for look in range(30) if look < 3 or task.is_alive())
        finally:
            enough.set()


@concurrent
@pytest.mark.parametrize("look", SNAPSHOTS.values(), ids=SNAPSHOTS)
@both_forms
def test_an_operation_on_all_keys_sees_them_at_one_instant(look: Any, make: Any) -> None:
    """A thread counts the keys in turn: at each instant none is more than one ahead."""
    mine = make(dict.fromkeys(IN_TURN, 1))
    with beside(lambda number: mine.add(IN_TURN[number])) as looks:
        for _ in looks:
            seen = look(mine)
            in_turn = [seen[key] for key in IN_TURN]
            assert in_turn == sorted(in_turn, reverse=True)
            assert in_turn[0] - in_turn[-1] <= 1


class Count(int):
    """A count that lets other threads in when it is added to something."""

    def __add__(self, other: int) -> Count:
        time.sleep(0)
        return Count(int(self) + int(other))

    __radd__ = __add__


@concurrent
@both_forms
def test_a_total_is_of_one_instant(make: Any) -> None:
    """A thread takes counts from one key to another: no more than one is ever on its way."""
    mine = make(dict.fromkeys(IN_TURN, Count(1)))

    def move(number: int) -> None:
        mine.add(IN_TURN[number], -1)
        mine.add(IN_TURN[number - 7])

    with beside(move) as looks:
        for _ in looks:
            assert mine.total() in (len(IN_TURN) - 1, len(IN_TURN))
    assert mine.total() == len(IN_TURN)

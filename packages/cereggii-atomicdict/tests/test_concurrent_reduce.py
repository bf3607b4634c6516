# SPDX-License-Identifier: Apache-2.0
"""Threads that reduce into one dict at once: each input counts once, whatever else is going on."""

from __future__ import annotations

import collections
import functools
import itertools
import operator
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cereggii_atomicdict import NOT_FOUND, AtomicDict

from tools.testing.concurrency import background, beside, run_threads

from .reductions import (
    FUNCTIONS,
    TABLE,
    Combine,
    Pairs,
    Source,
    add,
    every_call,
    every_function,
    reduced,
    skewed,
)
from .workloads import (
    KEYS,
    THREADS,
    MakeKey,
    access,
    check_whole,
    every_key,
    flat,
    in_threads,
    resizing,
)

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own"),
    pytest.mark.usefixtures("switch_often"),
]

MANY = 2 * TABLE  # keys, far more than meet in a thread


def uniform(choose: random.Random, keys: int) -> int:
    return choose.randrange(keys)


def both(choose: random.Random, keys: int) -> int:
    return skewed(choose, keys) if choose.random() < 0.5 else uniform(choose, keys)


every_draw = pytest.mark.parametrize("draw", [skewed, uniform])


def numbers_for(seed: int, draw: Callable[[random.Random, int], int], count: int) -> Any:
    """A list of `count` keys for each thread."""
    choose = random.Random(seed)
    return [[draw(choose, MANY) for _ in range(count)] for _ in range(THREADS)]


# ── exact results ──────────────────────────────────────────────────────────────────────────────


@every_key
def test_sums_and_counts_are_exact_while_the_table_is_resized(key: MakeKey, seed: int) -> None:
    numbers = numbers_for(seed, both, 2_000)
    shared: AtomicDict[Any, int] = AtomicDict()

    def work(number: int) -> None:
        mine, own = access(shared, number), numbers[number]
        mine.reduce_sum((key(n), n + 1) for n in own)
        mine.reduce_count(map(key, own))
        mine.reduce([(key(n), -1) for n in own], add)

    with resizing(shared, size=150):
        in_threads(work)
    counts = collections.Counter(flat(numbers))
    check_whole(shared, {key(n): (n + 1) * count for n, count in counts.items()})


@every_call
@every_draw
def test_all_reductions_are_exact(
    call: Callable[[Any, Pairs], Any],
    function: Combine,
    draw: Callable[[random.Random, int], int],
    seed: int,
) -> None:
    numbers = numbers_for(seed, draw, 2_000)
    pairs = [[(key, n) for n, key in enumerate(own)] for own in numbers]
    shared: AtomicDict[Any, Any] = AtomicDict()
    in_threads(lambda n: call(access(shared, n), Source(pairs[n], hint=100 * n)))
    expected = reduced(function, flat(pairs))
    found = shared.snapshot()
    if function is FUNCTIONS["reduce_list"]:
        expected = {key: sorted(values) for key, values in expected.items()}
        found = {key: sorted(values) for key, values in found.items()}
    assert found == expected


@every_function
def test_many_short_calls_are_exact(name: str, seed: int) -> None:
    """Their inputs meet in the dict, and nowhere else."""
    choose = random.Random(seed)
    inputs = [
        [[(choose.randrange(5), choose.randrange(100))] * choose.randrange(3) for _ in range(1500)]
        for _ in range(THREADS)
    ]
    shared: AtomicDict[int, Any] = AtomicDict()

    def work(number: int) -> None:
        mine = access(shared, number)
        for turn, pairs in enumerate(inputs[number]):
            if turn % 2:
                getattr(mine, name)(pairs)
            else:
                mine.reduce(pairs, FUNCTIONS[name])

    in_threads(work)
    expected = reduced(FUNCTIONS[name], flat(flat(inputs)))
    if name == "reduce_list":
        assert {key: sorted(values) for key, values in shared.items()} == {
            key: sorted(values) for key, values in expected.items()
        }
    else:
        check_whole(shared, expected)


def test_sums_cross_64_bits_exactly() -> None:
    """Up and down, so that what is in the dict is now a native int and now none."""
    shared = AtomicDict({"sum": 2**63 - 100, "negative": -(2**63) + 100})

    def work(number: int) -> None:
        sign = 1 if number % 2 else -1
        for turn in range(500):
            shared.reduce_sum([("sum", sign * 60), ("negative", sign * 60), ("sum", turn % 3)])

    in_threads(work)
    added = THREADS * sum(turn % 3 for turn in range(500))
    assert shared == {"sum": 2**63 - 100 + added, "negative": -(2**63) + 100}


def test_all_threads_bring_a_key_first() -> None:
    for turn in range(30):
        shared: AtomicDict[Any, int] = AtomicDict()
        keys = [f"key {turn} {n}" for n in range(200)]
        in_threads(lambda _, into=shared, keys=keys: into.reduce_count(keys))  # type: ignore[misc]
        check_whole(shared, dict.fromkeys(keys, THREADS))


@every_draw
def test_lists_have_each_input_and_those_of_a_call_in_their_order(
    draw: Callable[[random.Random, int], int], seed: int
) -> None:
    numbers = numbers_for(seed, draw, 5_000)
    shared: AtomicDict[int, list[tuple[int, int]]] = AtomicDict()

    def work(number: int) -> None:
        shared.reduce_list((key, (number, index)) for index, key in enumerate(numbers[number]))

    in_threads(work)
    found = shared.snapshot()
    assert sorted(flat([*found.values()])) == [(t, n) for t in range(THREADS) for n in range(5_000)]
    for key, values in found.items():
        for thread in range(THREADS):
            own = [index for number, index in values if number == thread]
            assert own == sorted(own)
            assert all(numbers[thread][index] == key for index in own)


def test_lists_do_not_change_once_they_are_seen() -> None:
    shared: AtomicDict[int, list[int]] = AtomicDict()
    seen: list[tuple[list[int], list[int]]] = []

    def look() -> None:
        for found in shared.values():
            if len(seen) < 20_000:
                seen.append((found, found.copy()))

    def work(number: int) -> None:
        for turn in range(20):
            shared.reduce_list((n % 50, n) for n in range(500 * turn, 500 * turn + 500))

    with beside(look):
        in_threads(work)
    look()
    assert seen
    assert all(found == copied for found, copied in seen)


# ── beside other operations ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", [KEYS["str"], KEYS["own of few hashes"]])
def test_reductions_are_exact_beside_operations_on_other_keys(key: MakeKey, seed: int) -> None:
    numbers = numbers_for(seed, skewed, 1_000)
    shared: AtomicDict[Any, Any] = AtomicDict()
    done = threading.Event()
    merged = itertools.count()

    def write() -> None:
        for n in itertools.cycle(range(MANY, MANY + 100)):
            if done.is_set():
                return
            shared[key(n)] = n
            assert shared[key(n)] == n
            assert shared.pop(key(n)) == n
            shared.merge(key(-5), 1, lambda current, one: current + one)
            next(merged)

    def look() -> None:
        while not done.is_set():
            for n in (0, 1, 5, 100):
                first = shared.get(key(n), 0)
                assert first <= shared.get(key(n), 0)

    with background(write, look):
        try:
            in_threads(lambda n: access(shared, n).reduce_count(map(key, numbers[n])))
        finally:
            done.set()
    expected = {key(n): count for n, count in collections.Counter(flat(numbers)).items()}
    if turns := next(merged):
        expected[key(-5)] = turns
    check_whole(shared, expected)


def test_reductions_and_other_updates_of_the_same_keys_are_exact(seed: int) -> None:
    numbers = numbers_for(seed, skewed, 2_000)
    shared: AtomicDict[int, int] = AtomicDict()

    def merge(own: list[int]) -> None:
        for n in own:
            shared.merge(n, 1, lambda current, one: current + one)

    def compute(own: list[int]) -> None:
        for n in own:
            shared.compute(n, lambda _, current: 1 if current is NOT_FOUND else current + 1)

    works: list[Callable[[list[int]], None]] = [
        *(
            merge,
            compute,
            shared.reduce_count,
            lambda own: shared.reduce([(n, 1) for n in own], add),
        ),
    ]
    run_threads(*(functools.partial(work, own) for work, own in zip(works, numbers, strict=True)))
    check_whole(shared, collections.Counter(flat(numbers)))


def by_popitem(d: AtomicDict[int, int]) -> list[tuple[int, int]]:
    try:
        return [d.popitem()]
    except KeyError:
        return []


def by_pop(d: AtomicDict[int, int]) -> list[tuple[int, int]]:
    return [(key, d.pop(key, 0)) for key in range(10)]


def by_get_and_set(d: AtomicDict[int, int]) -> list[tuple[int, int]]:
    found = [(key, d.get_and_set(key, 0)) for key in range(10)]
    return [(key, 0 if value is NOT_FOUND else value) for key, value in found]


def by_remove_if(d: AtomicDict[int, int]) -> list[tuple[int, int]]:
    asked: dict[int, int] = {}

    def remember(key: int, value: int) -> bool:
        asked[key] = value  # and once more, if it changes
        return True

    assert d.remove_if(remember) == len(asked)
    return [*asked.items()]


@pytest.mark.parametrize("take", [by_popitem, by_pop, by_get_and_set, by_remove_if])
def test_items_taken_out_meanwhile_and_items_left_are_all_inputs(
    take: Callable[[AtomicDict[int, int]], list[tuple[int, int]]], seed: int
) -> None:
    numbers = numbers_for(seed, skewed, 5_000)
    shared: AtomicDict[int, int] = AtomicDict()
    total: collections.Counter[int] = collections.Counter()

    def take_some() -> None:
        for key, value in take(shared):
            total[key] += value

    with beside(take_some):
        in_threads(lambda n: access(shared, n).reduce_count(numbers[n]))
    total.update(shared.snapshot())
    assert +total == collections.Counter(flat(numbers))


# ── when something raises ──────────────────────────────────────────────────────────────────────


class Provoked(Exception):  # noqa: N818 - no error of anybody's
    pass


@every_draw
def test_each_input_counts_once_although_iterables_raise(
    draw: Callable[[random.Random, int], int], seed: int
) -> None:
    numbers = numbers_for(seed, draw, 4_000)
    shared: AtomicDict[int, int] = AtomicDict()

    def work(number: int) -> int:
        choose = random.Random(seed + number)
        rest = iter(numbers[number])

        def some() -> Iterator[int]:
            yield from itertools.islice(rest, min(int(choose.paretovariate(0.5)), 3_000))
            raise Provoked

        calls = 0
        while operator.length_hint(rest):
            calls += 1
            with pytest.raises(Provoked):
                shared.reduce_count(some())
        return calls

    assert min(in_threads(work)) > 1
    check_whole(shared, collections.Counter(flat(numbers)))


def test_each_input_counts_once_although_the_function_raises(seed: int) -> None:
    """It raises for an input, or when the thread's result is combined with that of the dict."""
    numbers = numbers_for(seed, skewed, 3_000)
    shared: AtomicDict[int, int] = AtomicDict()

    def work(number: int) -> list[tuple[int, int]]:
        choose = random.Random(seed + number)
        rest = iter(numbers[number])
        missing: list[tuple[int, int]] = []

        def function(_key: int, current: Any, value: int) -> Any:
            if choose.random() < 0.01:
                raise Provoked
            return value if current is NOT_FOUND else current + value

        while operator.length_hint(rest):
            try:
                shared.reduce(((key, 1) for key in rest), function)
            except Provoked as error:
                missing += error.not_reduced  # type: ignore[attr-defined]
        return missing

    missing = flat(in_threads(work))
    assert missing
    shared.reduce_sum(missing)
    check_whole(shared, collections.Counter(flat(numbers)))

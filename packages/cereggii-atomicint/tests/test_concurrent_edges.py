# SPDX-License-Identifier: Apache-2.0
"""No thread ever sees a wrapped value, however additions and other updates meet at the edges.

The way a value is kept changes once in the life of an integer, when it first leaves ±2**61. So
every test here goes through many integers, and its threads meet at each of them.
"""

from __future__ import annotations

import functools
import itertools
import random
from typing import Any

import pytest
from cereggii_atomicint import AtomicInt

from tools.testing.concurrency import meet, run_threads

from .forms import HIGHEST, LOWEST, Integer, Make, both_forms

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own"),
    pytest.mark.usefixtures("switch_often"),
]

ROUNDS = 600
ADDITIONS = 200


def count_up(integer: Integer) -> list[int]:
    """Add 1 again and again; the results, with None for a refused addition."""
    results: list[Any] = []
    for _ in range(ADDITIONS):
        try:
            results.append(integer.increment_and_get())
        except OverflowError:
            results.append(None)
    return results


def count_down(integer: Integer) -> list[int]:
    results: list[Any] = []
    for _ in range(ADDITIONS):
        try:
            results.append(integer.decrement_and_get())
        except OverflowError:
            results.append(None)
    return results


def raise_in_place(integer: Integer) -> int:
    """Add 1 again and again with +=; how often it was done."""
    done = 0
    for _ in range(ADDITIONS):
        try:
            integer += 1
        except OverflowError:
            continue
        done += 1
    return done


def watch(integer: Integer) -> set[int]:
    return {integer.get() for _ in range(ADDITIONS)}


@both_forms
def test_adding_to_a_value_that_jumps_to_the_end_never_wraps(make: Make) -> None:
    integers = [make(0) for _ in range(ROUNDS)]
    rounds = meet(integers, count_up, watch, raise_in_place, lambda integer: integer.set(HIGHEST))
    for integer, (added, seen, _, _) in zip(integers, rounds, strict=True):
        assert integer.get() == HIGHEST
        allowed = {*range(2 * ADDITIONS + 1), HIGHEST}
        assert seen <= allowed
        before_the_jump = list(itertools.takewhile(lambda result: result is not None, added))
        assert set(before_the_jump) <= allowed - {HIGHEST}
        # Once the end is reached, it is never left.
        assert added[len(before_the_jump) :].count(None) == ADDITIONS - len(before_the_jump)


@both_forms
def test_subtracting_from_a_value_that_jumps_to_the_end_never_wraps(make: Make) -> None:
    integers = [make(0) for _ in range(ROUNDS)]
    rounds = meet(integers, count_down, watch, lambda integer: integer.get_and_set(LOWEST))
    for integer, (subtracted, seen, before) in zip(integers, rounds, strict=True):
        assert integer.get() == LOWEST
        assert seen <= {*range(-ADDITIONS, 1), LOWEST}
        done = [result for result in subtracted if result is not None]
        assert done == list(range(-1, -len(done) - 1, -1))
        assert before == -len(done)


@both_forms
@pytest.mark.parametrize("far", [2**61 + 1, HIGHEST - 4 * ADDITIONS, LOWEST])
def test_no_addition_is_lost_where_the_value_jumps_far(make: Make, far: int) -> None:
    """Each addition is before the jump or after it, and every result is given once."""
    integers = [make(0) for _ in range(ROUNDS)]
    rounds = meet(integers, count_up, count_up, lambda integer: integer.get_and_set(far))
    for integer, (first, second, before) in zip(integers, rounds, strict=True):
        after = 2 * ADDITIONS - before
        assert sorted(first + second) == sorted(
            [*range(1, before + 1), *range(far + 1, far + after + 1)]
        )
        assert integer.get() == far + after


@both_forms
@pytest.mark.parametrize("far", [2**62, -(2**62)])
def test_no_addition_is_lost_where_a_compare_and_set_goes_far(make: Make, far: int) -> None:
    def jump(integer: Integer) -> int:
        while True:
            found = integer.get()
            if integer.compare_and_set(found, far):
                return found

    integers = [make(0) for _ in range(ROUNDS)]
    for integer, (done, added, before) in zip(
        integers, meet(integers, raise_in_place, count_up, jump), strict=True
    ):
        assert done == len(added) == ADDITIONS
        assert integer.get() == far + 2 * ADDITIONS - before


@both_forms
@pytest.mark.parametrize("edge", [2**61, HIGHEST - 2 * ADDITIONS])
def test_counting_up_through_an_edge_gives_every_value_once(make: Make, edge: int) -> None:
    start = edge - ADDITIONS
    integers = [make(start) for _ in range(ROUNDS)]
    for integer, (first, second) in zip(integers, meet(integers, count_up, count_up), strict=True):
        assert sorted(first + second) == list(range(start + 1, start + 2 * ADDITIONS + 1))
        assert integer.get() == start + 2 * ADDITIONS


@both_forms
@pytest.mark.parametrize("edge", [-(2**61), LOWEST + 2 * ADDITIONS])
def test_counting_down_through_an_edge_gives_every_value_once(make: Make, edge: int) -> None:
    start = edge + ADDITIONS
    integers = [make(start) for _ in range(ROUNDS)]
    for integer, (first, second) in zip(
        integers, meet(integers, count_down, count_down), strict=True
    ):
        assert sorted(first + second) == list(range(start - 2 * ADDITIONS, start))
        assert integer.get() == start - 2 * ADDITIONS


@both_forms
def test_counting_stops_at_the_end_and_the_end_is_given_once(make: Make) -> None:
    start = HIGHEST - ADDITIONS
    integers = [make(start) for _ in range(ROUNDS)]
    for integer, (first, second) in zip(integers, meet(integers, count_up, count_up), strict=True):
        given = [result for result in first + second if result is not None]
        assert sorted(given) == list(range(start + 1, HIGHEST + 1))
        assert integer.get() == HIGHEST


@pytest.mark.parametrize("start", [2**61, -(2**61), HIGHEST // 2])
def test_going_through_an_edge_both_ways_adds_up(start: int, seed: int) -> None:
    integers: list[Integer] = [AtomicInt(start) for _ in range(20)]

    def wander(number: int, integer: Integer) -> int:
        choose = random.Random(seed + number)
        bits = 34 if number % 2 else 55  # amounts that may and may not be added at once
        total = 0
        for _ in range(200):
            amount = choose.randint(-(2**bits), 2**bits)
            integer += amount
            total += amount
        return total

    works = [functools.partial(wander, number) for number in range(4)]
    for integer, totals in zip(integers, meet(integers, *works), strict=True):
        assert integer == start + sum(totals)


def test_values_never_wrap_while_threads_set_extremes_and_others_add() -> None:
    """Threads stay at one integer for longer: every value is near 0 or near the upper end."""
    shared = AtomicInt()
    allowed = 2**40

    def fine(value: int) -> bool:
        return 0 <= value < allowed or value > HIGHEST - allowed

    def set_extremes() -> None:
        for trial in range(6000):
            shared.set((0, HIGHEST, 3, HIGHEST - 2)[trial % 4])

    def add() -> None:
        handle = shared.get_handle()
        for trial in range(6000):
            try:
                assert fine(handle.increment_and_get(1 + trial % 3))
                handle += 1
            except OverflowError:
                pass
            assert fine(shared.get())

    run_threads(set_extremes, add, add, add)
    assert fine(shared.get())

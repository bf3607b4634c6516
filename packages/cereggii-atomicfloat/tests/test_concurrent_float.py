# SPDX-License-Identifier: Apache-2.0
"""Threads that update one float lose nothing, and each update happens exactly once.

The numbers are whole multiples of a power of two, so that every sum of them is exact.
"""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicfloat import AtomicFloat, AtomicFloatHandle

from tools.testing.concurrency import THREADS, in_threads
from tools.testing.object_model import check_one_init_wins

from .forms import INF, NAN, Number, bits

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own"),
    pytest.mark.usefixtures("switch_often"),
]

REPEATS = 10_000
UNIT = 2.0**-10

# The shared float, or a handle of it, for the thread of this number.
Access = Callable[[AtomicFloat, int], Number]
ACCESS: dict[str, Access] = {
    "float": lambda shared, _: shared,
    "handles": lambda shared, _: shared.get_handle(),
    "both": lambda shared, number: shared if number % 2 else shared.get_handle(),
}
every_access = pytest.mark.parametrize("access", ACCESS.values(), ids=ACCESS)


def flat(lists: list[list[float]]) -> list[float]:
    return [item for items in lists for item in items]


# ── adding ─────────────────────────────────────────────────────────────────────────────────────

ADD: list[Callable[[Number, float], object]] = [
    lambda shared, amount: operator.iadd(shared, amount),
    lambda shared, amount: operator.isub(shared, -amount),
    lambda shared, amount: shared.increment_and_get(amount),
    lambda shared, amount: shared.get_and_increment(amount),
    lambda shared, amount: shared.decrement_and_get(-amount),
    lambda shared, amount: shared.get_and_decrement(-amount),
    lambda shared, amount: shared.update_and_get(lambda value: value + amount),
    lambda shared, amount: shared.get_and_accumulate(amount, operator.add),
]


@every_access
def test_additions_of_all_kinds_add_up(access: Access, seed: int) -> None:
    shared = AtomicFloat(5)

    def work(number: int) -> float:
        choose = random.Random(seed + number)
        mine = access(shared, number)
        total = 0.0
        for _ in range(REPEATS):
            amount = choose.randint(-(2**20), 2**20) * UNIT
            choose.choice(ADD)(mine, amount)
            total += amount
        return total

    assert shared == 5 + sum(in_threads(work))


@every_access
def test_additions_that_round_are_made_in_some_order(access: Access) -> None:
    """Each result is the result before, plus the amount of one thread, rounded once."""
    shared = AtomicFloat()
    amounts = [0.1 * 3**number for number in range(THREADS)]

    def work(number: int) -> list[float]:
        mine = access(shared, number)
        return [mine.increment_and_get(amounts[number]) for _ in range(REPEATS // 5)]

    results = in_threads(work)
    at = [0] * THREADS
    value = 0.0
    for _ in range(THREADS * (REPEATS // 5)):
        number = next(
            number
            for number in range(THREADS)
            if at[number] < len(results[number])
            and results[number][at[number]] == value + amounts[number]
        )
        value = results[number][at[number]]
        at[number] += 1
    assert shared == value


@every_access
@pytest.mark.parametrize(
    "step",
    [
        lambda shared: shared.increment_and_get(UNIT),
        lambda shared: shared.get_and_increment(UNIT) + UNIT,
        lambda shared: -shared.decrement_and_get(UNIT),
        lambda shared: -shared.get_and_decrement(UNIT) + UNIT,
        lambda shared: shared.update_and_get(lambda value: value + UNIT),
        lambda shared: shared.get_and_update(lambda value: value + UNIT) + UNIT,
        lambda shared: shared.accumulate_and_get(UNIT, operator.add),
        lambda shared: shared.get_and_accumulate(UNIT, operator.add) + UNIT,
    ],
    ids=[
        "increment_and_get",
        "get_and_increment",
        "decrement_and_get",
        "get_and_decrement",
        "update_and_get",
        "get_and_update",
        "accumulate_and_get",
        "get_and_accumulate",
    ],
)
def test_every_result_of_counting_is_given_once(
    access: Access, step: Callable[[Number], float]
) -> None:
    shared = AtomicFloat()

    def work(number: int) -> list[float]:
        mine = access(shared, number)
        return [step(mine) for _ in range(REPEATS)]

    results = in_threads(work)
    assert sorted(flat(results)) == [n * UNIT for n in range(1, THREADS * REPEATS + 1)]
    for mine in results:
        assert mine == sorted(mine)  # a thread sees its own updates in order


# ── the other in-place operators ───────────────────────────────────────────────────────────────


@every_access
@pytest.mark.parametrize(
    ("update", "start", "end"),
    [
        (lambda shared: operator.imul(shared, 3), 1.0, 3.0**24),
        (lambda shared: operator.imul(shared, -1), -0.0, -0.0),
        (lambda shared: operator.itruediv(shared, 2), 5.0, 5.0 * 2**-24),
        (lambda shared: operator.ifloordiv(shared, 2), 5.0 * 2**24, 5.0),
        (lambda shared: operator.iadd(shared, INF), 5.0, INF),
        (lambda shared: operator.imul(shared, 2), NAN, NAN),
    ],
    ids=["*= 3", "*= -1", "/=", "//=", "+= inf", "nan"],
)
def test_other_operators_in_place_lose_no_update(
    access: Access, update: Callable[[Number], object], start: float, end: float
) -> None:
    numbers = [AtomicFloat(start) for _ in range(500)]

    def work(number: int) -> None:
        for shared in numbers:
            mine = access(shared, number)
            for _ in range(24 // THREADS):
                update(mine)

    in_threads(work)
    assert {repr(shared.get()) for shared in numbers} == {repr(end)}


@every_access
def test_power_in_place_loses_no_update(access: Access) -> None:
    numbers = [AtomicFloat(1.5) for _ in range(1000)]

    def work(number: int) -> None:
        for shared in numbers:
            mine = access(shared, number)
            mine **= 2

    in_threads(work)
    assert {shared.get() for shared in numbers} == {1.5 ** (2**THREADS)}


@every_access
def test_remainder_in_place_loses_no_addition(access: Access, seed: int) -> None:
    shared = AtomicFloat()
    modulus = 1009 * UNIT

    def work(number: int) -> float:
        choose = random.Random(seed + number)
        mine = access(shared, number)
        total = 0.0
        for _ in range(REPEATS):
            if number == 0:
                mine %= modulus
            else:
                amount = choose.randrange(1009) * UNIT
                mine += amount
                total += amount
        return total

    total = sum(in_threads(work))
    shared %= modulus
    assert shared == total % modulus


# ── exchanging ─────────────────────────────────────────────────────────────────────────────────


def exchange_by_compare_and_exchange(shared: Number, token: float) -> float:
    found = shared.get()
    while (now := shared.compare_and_exchange(found, token)) != found:
        found = now
    return found


def exchange_by_compare_and_set(shared: Number, token: float) -> float:
    while True:
        found = shared.get()
        if shared.compare_and_set(found, token):
            return found


@every_access
@pytest.mark.parametrize(
    "exchange",
    [
        lambda shared, token: shared.get_and_set(token),
        lambda shared, token: shared.get_and_update(lambda _: token),
        lambda shared, token: shared.get_and_accumulate(token, lambda _, x: x),
        exchange_by_compare_and_exchange,
        exchange_by_compare_and_set,
    ],
    ids=[
        "get_and_set",
        "get_and_update",
        "get_and_accumulate",
        "compare_and_exchange",
        "compare_and_set",
    ],
)
def test_every_value_is_handed_on_once(
    access: Access, exchange: Callable[[Number, float], float]
) -> None:
    shared = AtomicFloat(-1)

    def work(number: int) -> list[float]:
        mine = access(shared, number)
        tokens = range(number * REPEATS, (number + 1) * REPEATS)
        return [exchange(mine, token * UNIT) for token in tokens]

    received = [*flat(in_threads(work)), shared.get()]
    assert sorted(received) == [-1, *(token * UNIT for token in range(THREADS * REPEATS))]


@every_access
@pytest.mark.parametrize(
    ("start", "take"),
    [
        (0.0, lambda shared, mark: shared.compare_and_set(-0.0, mark)),
        (-0.0, lambda shared, mark: shared.compare_and_exchange(0.0, mark) == 0),
        (NAN, lambda shared, mark: shared.compare_and_set(NAN, mark)),
        (NAN, lambda shared, mark: math.isnan(shared.compare_and_exchange(NAN, mark))),
        (NAN, lambda shared, mark: math.isnan(shared.get_and_max(1))),
        (0.0, lambda shared, mark: shared.get_and_max(1) == 0),
        (0.0, lambda shared, mark: shared.get_and_min(-1) == 0),
        (-0.0, lambda shared, mark: bits(shared.get_and_max(0.0)) == bits(-0.0)),
    ],
    ids=[
        "compare_and_set zero",
        "compare_and_exchange zero",
        "compare_and_set nan",
        "compare_and_exchange nan",
        "get_and_max nan",
        "get_and_max",
        "get_and_min",
        "get_and_max zero",
    ],
)
def test_exactly_one_thread_wins(
    access: Access, start: float, take: Callable[[Number, int], bool]
) -> None:
    numbers = [AtomicFloat(start) for _ in range(REPEATS)]

    def work(number: int) -> list[bool]:
        return [take(access(shared, number), number + 1) for shared in numbers]

    wins = [sum(attempts) for attempts in zip(*in_threads(work), strict=True)]
    assert wins == [1] * REPEATS


@every_access
@pytest.mark.parametrize(
    ("method", "best"), [("get_and_max", max), ("get_and_min", min)], ids=["max", "min"]
)
def test_the_best_value_stays_and_each_record_is_beaten_once(
    access: Access, method: str, best: Callable[[list[float]], float], seed: int
) -> None:
    shared = AtomicFloat()

    def work(number: int) -> tuple[list[float], list[float]]:
        choose = random.Random(seed + number)
        mine = access(shared, number)
        # A trend, so that there are many records.
        values = [
            choose.uniform(-100, 100) + (trial if best is max else -trial) * THREADS
            for trial in range(REPEATS)
        ]
        before = [getattr(mine, method)(value) for value in values]
        assert before == sorted(before, reverse=best is min)
        beaten = [
            old for old, value in zip(before, values, strict=True) if best([old, value]) != old
        ]
        return values, beaten

    results = in_threads(work)
    assert shared == best([0, *flat([values for values, _ in results])])
    beaten = flat([mine for _, mine in results])
    assert len(beaten) == len(set(beaten))


# ── construction ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", [AtomicFloat, AtomicFloatHandle])
def test_one_of_many_concurrent_inits_wins(kind: type[Any]) -> None:
    check_one_init_wins(kind, lambda number: number if kind is AtomicFloat else AtomicFloat(number))

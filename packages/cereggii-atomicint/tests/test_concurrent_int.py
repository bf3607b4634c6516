# SPDX-License-Identifier: Apache-2.0
"""Threads that update one integer lose nothing, and each update happens exactly once."""

from __future__ import annotations

import functools
import operator
import random
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicint import AtomicCounter, AtomicCounterHandle, AtomicInt, AtomicIntHandle

from tools.testing.concurrency import THREADS, in_threads
from tools.testing.object_model import check_one_init_wins

from .forms import Integer

pytestmark = [
    pytest.mark.thread_unsafe(reason="starts threads of its own"),
    pytest.mark.usefixtures("switch_often"),
]

REPEATS = 10_000

# The shared integer, or a handle of it, for the thread of this number.
ACCESS: dict[str, Callable[[AtomicInt, int], Integer]] = {
    "int": lambda integer, _: integer,
    "handles": lambda integer, _: integer.get_handle(),
    "both": lambda integer, number: integer if number % 2 else integer.get_handle(),
}
every_access = pytest.mark.parametrize("access", ACCESS.values(), ids=ACCESS)


def flat(lists: list[list[int]]) -> list[int]:
    return [item for items in lists for item in items]


# ── adding ─────────────────────────────────────────────────────────────────────────────────────

ADD: list[Callable[[Integer, int], object]] = [
    lambda integer, amount: operator.iadd(integer, amount),
    lambda integer, amount: operator.isub(integer, -amount),
    lambda integer, amount: integer.increment_and_get(amount),
    lambda integer, amount: integer.get_and_increment(amount),
    lambda integer, amount: integer.decrement_and_get(-amount),
    lambda integer, amount: integer.get_and_decrement(-amount),
    lambda integer, amount: integer.update_and_get(lambda value: value + amount),
    lambda integer, amount: integer.get_and_accumulate(amount, operator.add),
]


@every_access
@pytest.mark.parametrize("bits", [4, 40], ids=["small", "large"])
def test_additions_of_all_kinds_add_up(
    access: Callable[[AtomicInt, int], Integer], bits: int, seed: int
) -> None:
    shared = AtomicInt(5)

    def work(number: int) -> int:
        choose = random.Random(seed + number)
        mine = access(shared, number)
        total = 0
        for _ in range(REPEATS):
            amount = choose.randint(-(2**bits), 2**bits)
            choose.choice(ADD)(mine, amount)
            total += amount
        return total

    assert shared == 5 + sum(in_threads(work))


@every_access
@pytest.mark.parametrize(
    "step",
    [
        lambda integer: integer.increment_and_get(),
        lambda integer: integer.get_and_increment() + 1,
        lambda integer: -integer.decrement_and_get(),
        lambda integer: -integer.get_and_decrement() + 1,
        lambda integer: integer.update_and_get(lambda value: value + 1),
        lambda integer: integer.get_and_update(lambda value: value + 1) + 1,
        lambda integer: integer.accumulate_and_get(1, operator.add),
        lambda integer: integer.get_and_accumulate(1, operator.add) + 1,
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
    access: Callable[[AtomicInt, int], Integer], step: Callable[[Integer], int]
) -> None:
    shared = AtomicInt()

    def work(number: int) -> list[int]:
        mine = access(shared, number)
        return [step(mine) for _ in range(REPEATS)]

    results = in_threads(work)
    assert sorted(flat(results)) == list(range(1, THREADS * REPEATS + 1))
    for mine in results:
        assert mine == sorted(mine)  # a thread sees its own updates in order


# ── the other in-place operators ───────────────────────────────────────────────────────────────


@every_access
@pytest.mark.parametrize(
    ("update", "start", "end"),
    [
        (lambda integer, _: operator.imul(integer, 3), 1, 3**36),
        (lambda integer, _: operator.imul(integer, -1), 1, 1),
        (lambda integer, _: operator.ilshift(integer, 1), 3, 3 << 36),
        (lambda integer, _: operator.irshift(integer, 1), 5 << 36, 5),
        (lambda integer, _: operator.ifloordiv(integer, 2), 5 << 36, 5),
        (lambda integer, bit: operator.ior(integer, 1 << bit), 0, (1 << 36) - 1),
        (lambda integer, bit: operator.ixor(integer, 1 << bit), 1 << 36, (1 << 37) - 1),
        (lambda integer, bit: operator.iand(integer, ~(1 << bit)), (1 << 37) - 1, 1 << 36),
    ],
    ids=["*= 3", "*= -1", "<<=", ">>=", "//=", "|=", "^=", "&="],
)
def test_other_operators_in_place_lose_no_update(
    access: Callable[[AtomicInt, int], Integer],
    update: Callable[[Integer, int], object],
    start: int,
    end: int,
) -> None:
    integers = [AtomicInt(start) for _ in range(200)]
    steps = 36 // THREADS

    def work(number: int) -> None:
        for integer in integers:
            mine = access(integer, number)
            for step in range(steps):
                update(mine, number * steps + step)

    in_threads(work)
    assert {integer.get() for integer in integers} == {end}


@every_access
def test_power_in_place_loses_no_update(access: Callable[[AtomicInt, int], Integer]) -> None:
    integers = [AtomicInt(2) for _ in range(1000)]

    def work(number: int) -> None:
        for integer in integers:
            mine = access(integer, number)
            mine **= 2

    in_threads(work)
    assert {integer.get() for integer in integers} == {2 ** (2**THREADS)}


@every_access
def test_remainder_in_place_loses_no_addition(
    access: Callable[[AtomicInt, int], Integer], seed: int
) -> None:
    shared = AtomicInt()
    modulus = 1009

    def work(number: int) -> int:
        choose = random.Random(seed + number)
        mine = access(shared, number)
        total = 0
        for _ in range(REPEATS):
            if number == 0:
                mine %= modulus
            else:
                amount = choose.randrange(modulus)
                mine += amount
                total += amount
        return total

    total = sum(in_threads(work))
    shared %= modulus
    assert shared == total % modulus


# ── exchanging ─────────────────────────────────────────────────────────────────────────────────


def exchange_by_compare_and_exchange(integer: Integer, token: int) -> int:
    found = integer.get()
    while (now := integer.compare_and_exchange(found, token)) != found:
        found = now
    return found


def exchange_by_compare_and_set(integer: Integer, token: int) -> int:
    while True:
        found = integer.get()
        if integer.compare_and_set(found, token):
            return found


@every_access
@pytest.mark.parametrize(
    "exchange",
    [
        lambda integer, token: integer.get_and_set(token),
        lambda integer, token: integer.get_and_update(lambda _: token),
        lambda integer, token: integer.get_and_accumulate(token, lambda _, x: x),
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
@pytest.mark.parametrize("offset", [0, 2**62], ids=["near", "far"])
def test_every_value_is_handed_on_once(
    access: Callable[[AtomicInt, int], Integer],
    exchange: Callable[[Integer, int], int],
    offset: int,
) -> None:
    shared = AtomicInt(-1)

    def work(number: int) -> list[int]:
        mine = access(shared, number)
        tokens = range(number * REPEATS, (number + 1) * REPEATS)
        return [exchange(mine, offset + token) for token in tokens]

    received = [*flat(in_threads(work)), shared.get()]
    assert sorted(received) == [-1, *range(offset, offset + THREADS * REPEATS)]


@every_access
@pytest.mark.parametrize(
    "take",
    [
        lambda integer, mark: integer.compare_and_set(0, mark),
        lambda integer, mark: integer.compare_and_exchange(0, mark) == 0,
        lambda integer, mark: integer.get_and_or(mark) & 1 == 0,
        lambda integer, mark: integer.get_and_max(1) == 0,
        lambda integer, mark: integer.get_and_min(-1) == 0,
    ],
    ids=["compare_and_set", "compare_and_exchange", "get_and_or", "get_and_max", "get_and_min"],
)
def test_exactly_one_thread_wins(
    access: Callable[[AtomicInt, int], Integer], take: Callable[[Integer, int], bool]
) -> None:
    integers = [AtomicInt() for _ in range(REPEATS)]

    def work(number: int) -> list[bool]:
        mark = 2 * number + 1
        return [take(access(integer, number), mark) for integer in integers]

    wins = [sum(attempts) for attempts in zip(*in_threads(work), strict=True)]
    assert wins == [1] * REPEATS


# ── bits and bounds ────────────────────────────────────────────────────────────────────────────


@every_access
@pytest.mark.parametrize(
    ("method", "best"), [("get_and_max", max), ("get_and_min", min)], ids=["max", "min"]
)
def test_the_best_value_stays_and_each_record_is_beaten_once(
    access: Callable[[AtomicInt, int], Integer],
    method: str,
    best: Callable[[list[int]], int],
    seed: int,
) -> None:
    shared = AtomicInt()

    def work(number: int) -> tuple[list[int], list[int]]:
        choose = random.Random(seed + number)
        mine = access(shared, number)
        # A trend, so that there are many records.
        values = [
            choose.randint(-100, 100) + (trial if best is max else -trial) * THREADS
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


@every_access
def test_toggled_bits_are_toggled_once_each(
    access: Callable[[AtomicInt, int], Integer], seed: int
) -> None:
    shared = AtomicInt()

    def work(number: int) -> int:
        choose = random.Random(seed + number)
        mine = access(shared, number)
        total = 0
        for _ in range(REPEATS):
            mask = choose.randrange(-(2**63), 2**63)
            if choose.random() < 0.5:
                mine.get_and_xor(mask)
            else:
                mine ^= mask
            total ^= mask
        return total

    assert shared == functools.reduce(operator.xor, in_threads(work))


@every_access
def test_a_bit_is_seen_set_until_it_is_cleared_by_its_owner(
    access: Callable[[AtomicInt, int], Integer],
) -> None:
    shared = AtomicInt(2**62)

    def work(number: int) -> None:
        bit = 1 << number
        mine = access(shared, number)
        for _ in range(REPEATS):
            assert not mine.get_and_or(bit) & bit
            assert mine.get_and_and(~bit) & bit

    in_threads(work)
    assert shared == 2**62


# ── construction ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", [AtomicInt, AtomicCounter, AtomicIntHandle, AtomicCounterHandle])
def test_one_of_many_concurrent_inits_wins(kind: type[Any]) -> None:
    atomic: type[Any] = AtomicInt if kind in (AtomicInt, AtomicIntHandle) else AtomicCounter
    check_one_init_wins(kind, lambda number: number if kind is atomic else atomic(number))

# SPDX-License-Identifier: Apache-2.0
"""A program for cereggii 1.x uses AtomicInt64 as before: methods, operators and errors."""

from __future__ import annotations

import itertools
import operator
import struct
from collections.abc import Callable
from typing import Any

import pytest

from tools.testing.concurrency import run_threads

from .cereggii_1 import MAX, MIN, AtomicInt64, Make, has_threads, with_handle

BINARY: list[Make] = [
    *(operator.add, operator.sub, operator.mul, operator.floordiv, operator.truediv),
    *(operator.mod, divmod, operator.pow, operator.lshift, operator.rshift, operator.and_),
    *(operator.or_, operator.xor, operator.lt, operator.le, operator.eq, operator.ne),
    *(operator.gt, operator.ge),
]
UNARY: list[Make] = [
    operator.neg,
    operator.pos,
    abs,
    operator.invert,
    int,
    float,
    bool,
    operator.index,
]
IN_PLACE: list[Make] = [
    *(operator.iadd, operator.isub, operator.imul, operator.ifloordiv, operator.imod),
    *(operator.ipow, operator.ilshift, operator.irshift, operator.iand, operator.ior),
    operator.ixor,
]
every_int = with_handle(AtomicInt64)


def test_an_int_starts_with_what_it_is_given() -> None:
    assert AtomicInt64().get() == 0
    assert AtomicInt64(5).get() == AtomicInt64(initial_value=5).get() == 5
    assert (AtomicInt64(MIN).get(), AtomicInt64(MAX).get()) == (MIN, MAX)
    assert type(AtomicInt64(True).get()) is int


@every_int
def test_an_int_is_set_and_swapped(make: Make) -> None:
    number = make(1)
    assert number.set(2) is None
    assert number.get_and_set(3) == 2
    assert number.get() == 3


@every_int
def test_an_int_is_compared_and_set(make: Make) -> None:
    number = make(1)
    assert number.compare_and_set(1, 2) is True
    assert number.compare_and_set(1, 3) is False
    assert number.compare_and_set(expected=2, desired=4) is True
    assert number.compare_and_set(4, desired=5) is True
    assert number.get() == 5


@every_int
def test_an_int_counts_up_and_down(make: Make) -> None:
    number = make(10)
    assert [number.increment_and_get(*a) for a in [(), (5,), (None,), (-2,)]] == [11, 16, 17, 15]
    assert [number.get_and_increment(*a) for a in [(), (5,), (None,), (-2,)]] == [15, 16, 21, 22]
    assert [number.decrement_and_get(*a) for a in [(), (5,), (None,), (-2,)]] == [19, 14, 13, 15]
    assert [number.get_and_decrement(*a) for a in [(), (5,), (None,), (-2,)]] == [15, 14, 9, 8]
    assert number.get() == 10


@every_int
def test_an_int_is_updated_by_a_function(make: Make) -> None:
    number = make(3)
    assert number.update_and_get(lambda value: value * 2) == 6
    assert number.get_and_update(lambda value: value + 1) == 6
    assert number.get() == 7


NO_INTS: list[Any] = ["1", 1.5, b"1", []]
METHODS: dict[str, Callable[[Any, Any], Any]] = {
    "set": lambda number, wrong: number.set(wrong),
    "get_and_set": lambda number, wrong: number.get_and_set(wrong),
    "expected": lambda number, wrong: number.compare_and_set(wrong, 1),
    "desired": lambda number, wrong: number.compare_and_set(1, wrong),
    "increment_and_get": lambda number, wrong: number.increment_and_get(wrong),
    "get_and_increment": lambda number, wrong: number.get_and_increment(wrong),
    "decrement_and_get": lambda number, wrong: number.decrement_and_get(wrong),
    "get_and_decrement": lambda number, wrong: number.get_and_decrement(wrong),
    "update_and_get": lambda number, wrong: number.update_and_get(lambda _: wrong),
    "get_and_update": lambda number, wrong: number.get_and_update(lambda _: wrong),
}
WRITES = {**METHODS, "+=": operator.iadd, "-=": operator.isub, "*=": operator.imul}


@every_int
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_an_argument_that_is_not_an_int_of_64_bits_is_refused_and_changes_nothing(
    make: Make, write: Callable[[Any, Any], Any]
) -> None:
    number = make(7)
    for wrong in NO_INTS:
        with pytest.raises(TypeError):
            write(number, wrong)
    for large in (2**100, -(2**100)):
        with pytest.raises(OverflowError):
            write(number, large)
    assert number.get() == 7


@every_int
def test_an_argument_that_is_just_too_large_is_refused(make: Make) -> None:
    number = make(7)
    for write in METHODS.values():
        for large in (MAX + 1, MIN - 1):
            with pytest.raises(OverflowError):
                write(number, large)
    assert number.get() == 7


@pytest.mark.parametrize("wrong", ["1", 1.5, None])
def test_an_int_is_made_of_an_int(wrong: Any) -> None:
    with pytest.raises(TypeError):
        AtomicInt64(wrong)
    with pytest.raises(OverflowError):
        AtomicInt64(MAX + 1)
    with pytest.raises(TypeError):
        AtomicInt64(value=1)


@every_int
def test_an_int_raises_where_it_would_leave_its_range(make: Make) -> None:
    largest, least = make(MAX), make(MIN)
    for up in ("increment_and_get", "get_and_increment"):
        with pytest.raises(OverflowError):
            getattr(largest, up)()
    for down in ("decrement_and_get", "get_and_decrement"):
        with pytest.raises(OverflowError):
            getattr(least, down)()
    changes: list[tuple[Make, Any, int]] = [
        (operator.iadd, largest, 1),
        (operator.isub, least, 1),
        (operator.imul, largest, 2),
        (operator.ipow, largest, 2),
    ]
    for change, number, operand in changes:
        with pytest.raises(OverflowError):
            change(number, operand)
    assert (largest.get(), least.get()) == (MAX, MIN)


@every_int
def test_an_exception_of_a_function_propagates(make: Make) -> None:
    number = make(7)
    with pytest.raises(ZeroDivisionError):
        number.update_and_get(lambda value: value // 0)
    with pytest.raises(ZeroDivisionError):
        number.get_and_update(lambda value: value // 0)
    with pytest.raises(TypeError):
        number.update_and_get(5)
    assert number.get() == 7


@every_int
@pytest.mark.parametrize("operation", BINARY)
def test_operators_give_what_those_of_int_give(make: Make, operation: Make) -> None:
    for left, right in itertools.product([-7, 0, 13], [1, 2, 3]):
        expected = operation(left, right)
        for found in (operation(make(left), right), operation(left, make(right))):
            assert (type(found), found) == (type(expected), expected)
    assert operation(make(13), make(3)) == operation(13, 3)
    assert operation(AtomicInt64(13), AtomicInt64(3)) == operation(13, 3)


@every_int
def test_conversions_give_what_those_of_int_give(make: Make) -> None:
    for value, convert in itertools.product([-7, 0, 13], UNARY):
        expected = convert(value)
        assert (type(convert(make(value))), convert(make(value))) == (type(expected), expected)
    assert make(3) + 0.5 == 3.5
    assert make(3) * 1j == 3j
    assert pow(make(7), 2, 5) == 4
    assert [10, 11, 12, 13][make(3)] == 13
    assert list(range(make(3))) == [0, 1, 2]
    assert (hex(make(255)), "ab" * make(2), chr(make(65))) == ("0xff", "abab", "A")
    assert struct.pack("<q", make(3)) == struct.pack("<q", 3)
    with pytest.raises(TypeError):
        make(3) + "3"
    with pytest.raises(ZeroDivisionError):
        make(3) // 0


@pytest.mark.parametrize("change", IN_PLACE)
def test_in_place_operators_change_the_int_that_it_is(change: Make) -> None:
    number = AtomicInt64(13)
    assert change(number, 3) is number
    assert number.get() == change(13, 3)
    assert change(number, AtomicInt64(1)) is number
    handle = number.get_handle()
    before = number.get()
    changed = change(handle, 2)
    assert changed.get() == number.get() == change(before, 2)


@every_int
def test_in_place_division_by_zero_raises(make: Make) -> None:
    number = make(7)
    changes: list[Make] = [operator.ifloordiv, operator.imod]
    for change in changes:
        with pytest.raises(ZeroDivisionError):
            change(number, 0)
    assert number.get() == 7


@every_int
def test_there_are_no_matrix_operators(make: Make) -> None:
    for operation in (operator.matmul, operator.imatmul):
        with pytest.raises(TypeError):
            operation(make(3), 2)


def test_the_hash_is_of_the_object_and_its_handles_and_not_of_the_value() -> None:
    first, second = AtomicInt64(3), AtomicInt64(3)
    assert first == second == 3
    assert hash(first) != hash(second)
    assert hash(first) == hash(first.get_handle())
    before = hash(first)
    first.set(4)
    assert hash(first) == before
    assert {first: "it"}[first.get_handle()] == "it"


def test_a_subclass_of_an_int_has_methods_and_attributes() -> None:
    class Tickets(AtomicInt64):  # type: ignore[misc, valid-type]
        def __init__(self, first: int, name: str) -> None:
            super().__init__(first)
            self.name = name

        def take(self) -> int:
            return int(self.get_and_increment())

    tickets = Tickets(5, "desk")
    assert (tickets.take(), tickets.take(), tickets.get(), tickets.name) == (5, 6, 7, "desk")


@has_threads
def test_no_increment_is_lost() -> None:
    class Spam:
        def __init__(self) -> None:
            self.counter: Any = AtomicInt64(0)

    spam = Spam()

    def by_object() -> None:
        for _ in range(1000):
            spam.counter += 1

    def by_handle() -> None:
        handle = spam.counter.get_handle()
        for _ in range(1000):
            handle += 1

    run_threads(by_object, by_object, by_handle, by_handle)
    assert spam.counter.get() == 4000

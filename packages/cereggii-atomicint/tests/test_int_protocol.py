# SPDX-License-Identifier: Apache-2.0
"""The protocols of int work on the current value; only the hash is by identity."""

from __future__ import annotations

import math
import operator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from cereggii_atomicint import AtomicInt

from .forms import STORABLE_EDGES, Make, both_forms, outcome

every_value = pytest.mark.parametrize("value", STORABLE_EDGES)


@both_forms
@every_value
def test_conversions_agree_with_int(make: Make, value: int) -> None:
    for convert in (int, float, complex, bool, str, operator.index, bin, oct, hex, math.cos):
        assert outcome(convert, make(value)) == outcome(convert, value)
    for function in (round, math.trunc, math.floor, math.ceil):
        assert outcome(function, make(value)) == outcome(function, value)


@both_forms
@every_value
def test_round_to_digits_agrees_with_int(make: Make, value: int) -> None:
    for digits in (None, -25, -3, -1, 0, 1, 5, "1"):
        assert outcome(round, make(value), digits) == outcome(round, value, digits)


@both_forms
@pytest.mark.parametrize(
    "spec",
    ["", "d", "5d", "<20", "+_d", ",", "x", "#010b", "e", ".2f", "c", "s", ".3d", "nonsense"],
)
def test_format_agrees_with_int(make: Make, spec: str) -> None:
    for value in (0, 65, -1234567):
        assert outcome(format, make(value), spec) == outcome(format, value, spec)


@both_forms
def test_f_strings_show_the_value(make: Make) -> None:
    assert f"{make(255)} {make(255):04x}" == "255 00ff"


@both_forms
@every_value
def test_the_methods_of_int_agree_with_int(make: Make, value: int) -> None:
    integer = make(value)
    assert integer.bit_length() == value.bit_length()
    assert integer.bit_count() == value.bit_count()
    assert integer.as_integer_ratio() == value.as_integer_ratio()
    assert integer.conjugate() == value
    assert integer.to_bytes(9, "big", signed=True) == value.to_bytes(9, "big", signed=True)


@both_forms
@pytest.mark.parametrize(
    ("arguments", "keywords"),
    [
        ((2, "little"), {}),
        ((2,), {"byteorder": "big"}),
        ((), {"length": 3, "byteorder": "little", "signed": True}),
        ((), {}),
        ((1, "big"), {}),
        ((2, "middle"), {}),
        (("2", "big"), {}),
        ((2, "big"), {"unknown": 1}),
        ((1, 2, 3, 4, 5, 6, 7, 8, 9), {}),
    ],
)
def test_to_bytes_takes_the_arguments_of_int(
    make: Make, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> None:
    def call(number: Any) -> Any:
        return number.to_bytes(*arguments, **keywords)

    assert outcome(call, make(1000)) == outcome(call, 1000)


@both_forms
def test_methods_of_int_without_arguments_take_none(make: Make) -> None:
    for method in ("bit_length", "bit_count", "as_integer_ratio", "conjugate"):
        with pytest.raises(TypeError):
            getattr(make(5), method)(1)


@both_forms
@every_value
def test_the_attributes_of_int_are_plain_ints_and_read_only(make: Make, value: int) -> None:
    integer: Any = make(value)
    for attribute in ("real", "imag", "numerator", "denominator"):
        found = getattr(integer, attribute)
        assert found == getattr(value, attribute)
        assert type(found) is int
        with pytest.raises(AttributeError):
            setattr(integer, attribute, 1)
    assert integer.get() == value


@both_forms
def test_can_be_used_where_an_index_is_needed(make: Make) -> None:
    assert "abc"[make(1)] == "b"
    assert list(range(make(2), make(8), make(3))) == [2, 5]
    assert [1, 2, 3, 4][make(1) : make(-1)] == [2, 3]
    assert bytes(make(2)) == b"\0\0"
    assert math.gcd(make(12), 18) == 6


@both_forms
def test_truth_is_that_of_the_value(make: Make) -> None:
    assert make(1)
    assert make(-(2**63))
    assert not make(0)


@both_forms
@every_value
def test_equal_to_every_number_of_the_same_value(make: Make, value: int) -> None:
    integer: Any = make(value)
    for number in (value, Fraction(value), Decimal(value), make(value), AtomicInt(value)):
        assert integer == number
        assert number == integer
        assert not integer != number  # noqa: SIM202
    for other in (value + 1, Fraction(value) + Fraction(1, 2), float("nan"), str(value), None):
        assert integer != other
        assert other != integer
        assert not integer == other  # noqa: SIM201
    assert (integer == float(value)) == (value == float(value))


@both_forms
def test_ordered_by_value(make: Make) -> None:
    integers = [make(3), make(-1), make(2**63 - 1), make(0)]
    assert [int(integer) for integer in sorted(integers)] == [-1, 0, 3, 2**63 - 1]
    assert max(integers) is integers[2]
    assert make(3) < 3.5 < make(4)
    assert not make(3) < float("nan")
    with pytest.raises(TypeError):
        make(3) < "4"  # noqa: B015


def test_the_hash_is_by_identity_and_shared_by_an_integer_and_its_handles() -> None:
    integer = AtomicInt(5)
    before = hash(integer)
    handle = integer.get_handle()
    integer.set(6)
    assert hash(integer) == hash(handle) == hash(handle.get_handle()) == before
    assert {integer: "found"}[handle] == "found"  # type: ignore[index]
    others = [AtomicInt(5) for _ in range(100)]
    assert len({hash(other) for other in others}) == 100


def test_handles_are_equal_to_their_integer_and_to_each_other() -> None:
    integer = AtomicInt(5)
    assert integer == integer.get_handle() == integer.get_handle() == integer


def test_repr_shows_the_type_and_the_value() -> None:
    class Special(AtomicInt):
        pass

    assert repr(AtomicInt(-5)) == "AtomicInt(-5)"
    assert repr(AtomicInt(5).get_handle()) == "AtomicIntHandle(AtomicInt(5))"
    assert repr(Special(5)) == "Special(5)"
    assert eval(repr(AtomicInt(2**63 - 1))).get() == 2**63 - 1


def test_repr_of_an_integer_that_shows_its_own_handle_ends() -> None:
    class Loop(AtomicInt):
        def __repr__(self) -> str:
            return repr(self.get_handle())

    with pytest.raises(RecursionError):
        repr(Loop(5))


def test_the_public_types_are_named_as_they_are_imported() -> None:
    for kind in (AtomicInt, type(AtomicInt().get_handle())):
        assert kind.__module__ == "cereggii_atomicint"
        assert kind.__qualname__ == kind.__name__

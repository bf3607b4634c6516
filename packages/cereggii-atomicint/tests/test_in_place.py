# SPDX-License-Identifier: Apache-2.0
"""An in-place operator stores int's result, or refuses and leaves the value; the object stays."""

from __future__ import annotations

import time
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from cereggii_atomicint import AtomicInt
from hypothesis import given
from hypothesis import strategies as st

from .forms import (
    EDGES,
    HIGHEST,
    IN_PLACE,
    LOWEST,
    STORABLE_EDGES,
    Integer,
    Make,
    both_forms,
    handle_of,
)

all_operators = pytest.mark.parametrize("symbol", IN_PLACE)


def expected(symbol: str, value: int, operand: int) -> int | type[Exception]:
    """The stored value, or the exception."""
    if symbol in ("<<", "**") and operand >= 200:
        if value == 0 or (symbol == "**" and value in (1, -1)):
            operand = 200 + operand % 2
        else:
            return OverflowError
    try:
        result = IN_PLACE[symbol][1](value, operand)
    except Exception as error:
        return type(error)
    if not isinstance(result, int):
        return TypeError  # a negative power
    return result if LOWEST <= result <= HIGHEST else OverflowError


def check(make: Make, symbol: str, value: int, operand: Any, number: int | None = None) -> None:
    integer = make(value)
    wanted = expected(symbol, value, operand if number is None else number)
    operation = IN_PLACE[symbol][0]
    if isinstance(wanted, int):
        assert operation(integer, operand) is integer
        assert integer.get() == wanted
    else:
        with pytest.raises(wanted):
            operation(integer, operand)
        assert integer.get() == value


@both_forms
@all_operators
def test_agrees_with_int_at_the_edges_or_refuses(make: Make, symbol: str) -> None:
    for value in STORABLE_EDGES:
        for operand in EDGES:
            check(make, symbol, value, operand)


@both_forms
@all_operators
@given(
    value=st.integers(LOWEST, HIGHEST) | st.integers(-9, 9),
    operand=st.integers(-(2**70), 2**70) | st.integers(-70, 70) | st.booleans(),
)
def test_agrees_with_int_or_refuses(make: Make, symbol: str, value: int, operand: int) -> None:
    check(make, symbol, value, operand)


@both_forms
@all_operators
def test_an_operand_may_be_anything_with_index(make: Make, symbol: str) -> None:
    class Three:
        def __index__(self) -> int:
            return 3

    for value in (-8, 0, 5, HIGHEST, LOWEST):
        check(make, symbol, value, Three(), 3)
        check(make, symbol, value, AtomicInt(3), 3)
        check(make, symbol, value, handle_of(3), 3)


@both_forms
@all_operators
def test_an_operand_may_be_the_integer_itself(make: Make, symbol: str) -> None:
    for value in (1, 2, 3, 7):
        integer = make(value)
        assert IN_PLACE[symbol][0](integer, integer) is integer
        assert integer.get() == expected(symbol, value, value)
        integer = make(value)
        assert IN_PLACE[symbol][0](integer, integer.get_handle()) is integer
        assert integer.get() == expected(symbol, value, value)


@both_forms
@all_operators
def test_overridden_operators_of_an_int_subclass_are_not_asked(make: Make, symbol: str) -> None:
    def lie(self: int, *others: object) -> str:
        return "a lie"

    names = "add radd sub rsub mul rmul floordiv rfloordiv mod rmod pow rpow lshift rlshift"
    names += " rshift rrshift and rand or ror xor rxor index int neg"
    liar = type("Liar", (int,), {f"__{name}__": lie for name in names.split()})
    for value in (-8, 5):
        check(make, symbol, value, liar(3), 3)


@both_forms
def test_the_statement_keeps_the_object(make: Make) -> None:
    integer = original = make(10)
    integer += 5
    integer -= 3
    integer *= 4
    integer //= 5
    integer %= 7
    integer **= 3
    integer <<= 4
    integer >>= 1
    integer &= 0xFF
    integer |= 0x100
    integer ^= 0x3
    assert integer is original
    number = 10
    number += 5
    number -= 3
    number *= 4
    number //= 5
    number %= 7
    number **= 3
    number <<= 4
    number >>= 1
    number &= 0xFF
    number |= 0x100
    number ^= 0x3
    assert integer.get() == number


def test_changes_through_a_handle_are_changes_of_its_integer() -> None:
    integer = AtomicInt(1)
    handle = integer.get_handle()
    handle += 4
    handle <<= 1
    assert integer.get() == 10
    integer -= 3
    assert handle.get() == 7


@both_forms
@pytest.mark.parametrize("operand", [1.0, 1.5, "2", None, 1j, Fraction(2), Decimal(2), [1], {}])
@all_operators
def test_an_operand_that_is_not_an_integer_is_refused_and_named(
    make: Make, symbol: str, operand: object
) -> None:
    integer = make(6)
    with pytest.raises(TypeError) as caught:
        IN_PLACE[symbol][0](integer, operand)
    assert repr(operand) in str(caught.value)
    assert symbol + "=" in str(caught.value)
    assert integer.get() == 6


@both_forms
@pytest.mark.parametrize("operand", [2, 0, 1.5, "2", AtomicInt(2)])
def test_true_division_and_matrix_product_in_place_are_refused(make: Make, operand: object) -> None:
    integer: Any = make(6)
    with pytest.raises(TypeError, match="/="):
        integer /= operand
    with pytest.raises(TypeError, match="@="):
        integer @= operand
    assert integer.get() == 6


@both_forms
@pytest.mark.parametrize(
    ("symbol", "value", "operand"),
    [
        ("**", 2, 10**9),
        ("**", -2, 10**9 + 1),
        ("**", 10, 2**70),
        ("**", HIGHEST, HIGHEST),
        ("<<", 1, 10**9),
        ("<<", -1, 2**70),
        ("<<", 1, HIGHEST),
    ],
)
def test_huge_powers_and_shifts_are_refused_at_once(
    make: Make, symbol: str, value: int, operand: int
) -> None:
    integer = make(value)
    start = time.monotonic()
    with pytest.raises(OverflowError, match=str(operand)):
        IN_PLACE[symbol][0](integer, operand)
    assert time.monotonic() - start < 5  # computing it first takes minutes
    assert integer.get() == value


@both_forms
def test_huge_operands_are_fine_where_the_result_fits(make: Make) -> None:
    def after(value: int, symbol: str, operand: int) -> int:
        return IN_PLACE[symbol][0](make(value), operand).get()  # type: ignore[no-any-return]

    assert after(0, "<<", 10**9) == after(0, "<<", 2**70) == 0
    assert after(0, "**", 10**9) == 0
    assert after(1, "**", 2**70) == after(-1, "**", 2**70) == 1
    assert after(-1, "**", 2**70 + 1) == -1
    assert after(HIGHEST, ">>", 10**9) == after(HIGHEST, ">>", 2**70) == 0
    assert after(LOWEST, ">>", 2**70) == -1
    assert after(7, "%", 2**200) == 7
    assert after(7, "//", 2**200) == 0
    assert after(7, "&", 2**200 + 3) == 3
    assert after(0, "*", 2**200) == 0
    assert after(LOWEST, "+", 2**63) == 0
    assert after(HIGHEST, "-", 2**64 - 1) == LOWEST


@both_forms
def test_negative_powers_and_shifts_and_zero_divisors_raise(make: Make) -> None:
    def refused(error: type[Exception], symbol: str, value: int, operand: int) -> None:
        integer = make(value)
        with pytest.raises(error):
            IN_PLACE[symbol][0](integer, operand)
        assert integer.get() == value

    refused(TypeError, "**", 2, -1)
    refused(TypeError, "**", 1, -1)
    refused(TypeError, "**", -3, -(2**8))
    refused(ZeroDivisionError, "**", 0, -1)
    refused(ValueError, "<<", 1, -1)
    refused(ValueError, ">>", 1, -1)
    refused(ZeroDivisionError, "//", 1, 0)
    refused(ZeroDivisionError, "%", 1, 0)


@both_forms
def test_overflow_names_the_operation(make: Make) -> None:
    for integer, symbol, operand in [
        (make(HIGHEST), "+", 1),
        (make(LOWEST), "-", 1),
        (make(LOWEST), "*", -1),
        (make(LOWEST), "//", -1),
        (make(1), "<<", 63),
    ]:
        value = integer.get()
        with pytest.raises(OverflowError) as caught:
            IN_PLACE[symbol][0](integer, operand)
        for part in (str(value), symbol + "=", str(operand)):
            assert part in str(caught.value)


@both_forms
def test_an_error_of_index_propagates(make: Make) -> None:
    class Broken:
        def __index__(self) -> int:
            raise LookupError("no index")

    for symbol in IN_PLACE:
        integer = make(6)
        with pytest.raises(LookupError, match="no index"):
            IN_PLACE[symbol][0](integer, Broken())
        assert integer.get() == 6


@both_forms
@all_operators
def test_an_operand_that_changes_the_integer_does_not_lose_the_change(
    make: Make, symbol: str
) -> None:
    integer = make(5)

    class Meddler:
        def __index__(self) -> int:
            integer.set(40)
            return 3

    IN_PLACE[symbol][0](integer, Meddler())
    assert integer.get() == expected(symbol, 40, 3)


@both_forms
def test_power_in_place_takes_no_modulus(make: Make) -> None:
    integer: Integer = make(3)
    with pytest.raises(TypeError):
        integer.__ipow__(2, 5)  # type: ignore[call-arg, call-overload]
    assert integer.get() == 3

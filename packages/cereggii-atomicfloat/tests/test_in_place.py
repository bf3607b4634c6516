# SPDX-License-Identifier: Apache-2.0
"""An in-place operator stores float's result, or raises float's error; the object stays."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from cereggii_atomicfloat import AtomicFloat
from hypothesis import given
from hypothesis import strategies as st

from .forms import EDGES, IN_PLACE, NAN, REFUSED, Make, both_forms, handle_of

all_operators = pytest.mark.parametrize("symbol", IN_PLACE)
values = st.floats() | st.sampled_from(EDGES) | st.floats(-9, 9)


def expected(symbol: str, value: float, operand: float) -> float | Exception:
    """The stored value, or the exception."""
    try:
        result = IN_PLACE[symbol][1](value, operand)
    except ArithmeticError as error:
        return error
    return result if isinstance(result, float) else TypeError("complex")


def check(make: Make, symbol: str, value: float, operand: Any, number: Any = None) -> None:
    wanted = expected(symbol, value, float(operand) if number is None else number)
    shared = make(value)
    operation = IN_PLACE[symbol][0]
    if isinstance(wanted, Exception):
        with pytest.raises(type(wanted)) as caught:
            operation(shared, operand)
        if isinstance(wanted, ArithmeticError):
            assert str(caught.value) == str(wanted)
        assert repr(shared.get()) == repr(value)
    else:
        assert operation(shared, operand) is shared
        assert repr(shared.get()) == repr(wanted)


@both_forms
@all_operators
def test_agrees_with_float_at_the_edges(make: Make, symbol: str) -> None:
    for value in EDGES:
        for operand in EDGES:
            check(make, symbol, value, operand)


@both_forms
@all_operators
@given(value=values, operand=values | st.integers(-(2**70), 2**70) | st.booleans())
def test_agrees_with_float(make: Make, symbol: str, value: float, operand: float) -> None:
    check(make, symbol, value, operand)


class Lying(float):
    """A float whose own methods are not asked."""

    def lie(self, *_: object) -> str:
        return "a lie"

    __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rfloordiv__ = __rmod__ = __rpow__ = lie  # type: ignore[assignment]
    __float__ = lie  # type: ignore[assignment]


class Three:
    def __float__(self) -> float:
        return 3.0


class ThreeIndex:
    def __index__(self) -> int:
        return 3


@both_forms
@all_operators
def test_an_operand_may_be_what_float_takes(make: Make, symbol: str) -> None:
    for value in (-8.0, 0.0, 5.5, NAN):
        for operand in (
            3, Three(), ThreeIndex(), Lying(3), Fraction(3), Decimal(3), AtomicFloat(3),
            handle_of(3),
        ):  # fmt: skip
            check(make, symbol, value, operand, 3.0)


@both_forms
@all_operators
def test_an_operand_may_be_the_float_itself(make: Make, symbol: str) -> None:
    for value in (1.0, 2.5, 3.0):
        number = make(value)
        assert IN_PLACE[symbol][0](number, number) is number
        assert number.get() == expected(symbol, value, value)
        number = make(value)
        assert IN_PLACE[symbol][0](number, number.get_handle()) is number
        assert number.get() == expected(symbol, value, value)


@both_forms
def test_the_statement_keeps_the_object(make: Make) -> None:
    number = original = make(10)
    plain = 10.0
    number += 5.5
    number -= 3
    number *= 4
    number /= 3
    number //= 0.7
    number %= 7
    number **= 1.5
    plain += 5.5
    plain -= 3
    plain *= 4
    plain /= 3
    plain //= 0.7
    plain %= 7
    plain **= 1.5
    assert number is original
    assert number.get() == plain


def test_changes_through_a_handle_are_changes_of_its_float() -> None:
    number = AtomicFloat(1)
    handle = number.get_handle()
    handle += 4
    handle /= 2
    assert number.get() == 2.5
    number -= 3
    assert handle.get() == -0.5


@both_forms
@all_operators
@pytest.mark.parametrize("operand", ["2", b"2", None, 1j, [1], {}])
def test_an_operand_that_is_not_a_real_number_is_refused_and_named(
    make: Make, symbol: str, operand: object
) -> None:
    number = make(6)
    with pytest.raises(TypeError) as caught:
        IN_PLACE[symbol][0](number, operand)
    assert repr(operand) in str(caught.value)
    assert f"{symbol}= must be a real number" in str(caught.value)
    assert number.get() == 6


@both_forms
@all_operators
def test_an_int_too_large_for_a_float_is_refused_and_named(make: Make, symbol: str) -> None:
    number = make(6)
    with pytest.raises(OverflowError, match=str(2**1024)[:100]):
        IN_PLACE[symbol][0](number, 2**1024)
    assert number.get() == 6


class Greedy:
    """Takes every operator that the left operand does not have."""

    def answer(self, other: object) -> str:
        return "the name would no longer be the shared float"

    __rmatmul__ = __rlshift__ = __rrshift__ = __rand__ = __ror__ = __rxor__ = answer


@both_forms
@pytest.mark.parametrize("symbol", REFUSED)
def test_operators_that_float_does_not_have_are_refused(make: Make, symbol: str) -> None:
    number: Any = make(6)
    for operand in (2, 1.5, "2", AtomicFloat(2), Greedy()):
        with pytest.raises(TypeError) as caught:
            REFUSED[symbol](number, operand)
        assert f"float does not support {symbol}=" in str(caught.value)
    assert number.get() == 6


@both_forms
@all_operators
def test_an_error_of_the_operand_itself_propagates(make: Make, symbol: str) -> None:
    class Broken:
        def __float__(self) -> float:
            raise LookupError("no float")

    number = make(6)
    with pytest.raises(LookupError, match="no float"):
        IN_PLACE[symbol][0](number, Broken())
    assert number.get() == 6


@both_forms
@all_operators
def test_an_operand_that_changes_the_float_does_not_lose_the_change(
    make: Make, symbol: str
) -> None:
    number = make(5)
    asked = []

    class Meddler:
        def __float__(self) -> float:
            asked.append(1)
            number.set(40)
            return 3.0

    IN_PLACE[symbol][0](number, Meddler())
    assert number.get() == expected(symbol, 40.0, 3.0)
    assert asked == [1]


@both_forms
def test_zero_is_asked_for_its_value_once(make: Make) -> None:
    asked = []

    class Zero:
        def __float__(self) -> float:
            asked.append(1)
            return 0.0

    number = make(5)
    with pytest.raises(ZeroDivisionError):
        number /= Zero()  # type: ignore[arg-type]
    assert asked == [1]


@both_forms
def test_power_in_place_takes_no_modulus_and_stores_nothing_complex(make: Make) -> None:
    number: Any = make(-3)
    with pytest.raises(TypeError):
        number.__ipow__(2, 5)
    with pytest.raises(TypeError, match=r"\*\*= must be a float, not \("):
        number **= 0.5
    assert number.get() == -3

# SPDX-License-Identifier: Apache-2.0
"""Every operator gives what int gives: the same result, of the same type, or the same error."""

from __future__ import annotations

import sys
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .forms import (
    BINARY,
    EDGES,
    EXPLOSIVE,
    EXPLOSIVE_LIMIT,
    HIGHEST,
    LOWEST,
    STORABLE_EDGES,
    UNARY,
    Make,
    both_forms,
    outcome,
)

stored = st.integers(LOWEST, HIGHEST) | st.sampled_from(STORABLE_EDGES) | st.integers(-9, 9)
small = st.integers(-EXPLOSIVE_LIMIT, EXPLOSIVE_LIMIT)
fractions = st.fractions(-(2**70), 2**70, max_denominator=1000)
small_fractions = st.fractions(-9, 9, max_denominator=9)
decimals = st.decimals(-(2**70), 2**70, places=2) | st.sampled_from(
    [Decimal("nan"), Decimal("inf"), Decimal("-0"), Decimal("1E-30")]
)
SEQUENCES = (str, bytes, tuple, list)
no_numbers = st.sampled_from([None, "1", b"1", (), [1], {1: 1}, object])
others = (
    st.integers(-(2**200), 2**200)
    | st.sampled_from(EDGES)
    | st.booleans()
    | st.floats()
    | st.complex_numbers()
    | fractions
    | decimals
    | no_numbers
)
# Right-hand sides of << and **, and what stands on the left of them.
exponents = (
    small
    | st.booleans()
    | st.floats(-9, 9)
    | st.sampled_from([float("nan"), float("inf"), 0.0, -0.0])
    | st.complex_numbers(max_magnitude=9)
    | small_fractions
    | st.decimals(-9, 9, places=1)
    | no_numbers
)

binary_operators = pytest.mark.parametrize("symbol", BINARY)


def asks_its_peer_to_be_rational(symbol: str, other: object) -> bool:
    # Up to Python 3.13, Fraction ** x takes whatever is not registered as a rational for a float,
    # without asking it.
    return symbol == "**" and isinstance(other, Fraction) and sys.version_info < (3, 14)


def explodes(symbol: str, left: object, right: object) -> bool:
    """Whether the result would fill the memory."""
    if symbol == "*":
        return isinstance(left, SEQUENCES) or isinstance(right, SEQUENCES)
    return symbol in EXPLOSIVE and isinstance(right, int) and abs(right) > EXPLOSIVE_LIMIT


def check_both_sides(make: Make, symbol: str, value: int, other: Any) -> None:
    operation = BINARY[symbol]
    if not explodes(symbol, value, other):
        assert outcome(operation, make(value), other) == outcome(operation, value, other)
    if not explodes(symbol, other, value) and not asks_its_peer_to_be_rational(symbol, other):
        assert outcome(operation, other, make(value)) == outcome(operation, other, value)


@both_forms
@binary_operators
def test_binary_operators_agree_with_int_at_the_edges(make: Make, symbol: str) -> None:
    for value in STORABLE_EDGES:
        for other in EDGES:
            check_both_sides(make, symbol, value, other)


@both_forms
@binary_operators
@given(data=st.data())
def test_binary_operators_agree_with_int(make: Make, symbol: str, data: st.DataObject) -> None:
    explosive = symbol in EXPLOSIVE
    value = data.draw(small if explosive else stored, "value")
    other = data.draw(exponents if explosive else others, "other")
    check_both_sides(make, symbol, value, other)


@both_forms
@binary_operators
@given(left=stored, right=stored, small_right=small)
def test_two_atomic_operands_agree_with_two_ints(
    make: Make, symbol: str, left: int, right: int, small_right: int
) -> None:
    if symbol in EXPLOSIVE:
        right = small_right
    operation = BINARY[symbol]
    expected = outcome(operation, left, right)
    for other_form in (make(right), make(right).get_handle()):
        assert outcome(operation, make(left), other_form) == expected


@both_forms
@pytest.mark.parametrize("symbol", UNARY)
def test_unary_operators_agree_with_int(make: Make, symbol: str) -> None:
    operation = UNARY[symbol]
    for value in STORABLE_EDGES:
        assert outcome(operation, make(value)) == outcome(operation, value)


@both_forms
@given(base=stored, exponent=stored, modulus=stored | st.none())
def test_power_with_a_modulus_agrees_with_int_in_every_place(
    make: Make, base: int, exponent: int, modulus: int | None
) -> None:
    if modulus is None:
        exponent %= EXPLOSIVE_LIMIT
    expected = outcome(pow, base, exponent, modulus)
    assert outcome(pow, make(base), exponent, modulus) == expected
    assert outcome(pow, base, make(exponent), modulus) == expected
    if modulus is not None:
        assert outcome(pow, base, exponent, make(modulus)) == expected
        assert outcome(pow, make(base), make(exponent), make(modulus)) == expected


@both_forms
@pytest.mark.parametrize("modulus", [0, 1.5, "7", None, Fraction(7), Decimal(7)])
def test_power_with_an_odd_modulus_fails_as_with_int(make: Make, modulus: object) -> None:
    for value in (3, 0, -3):
        assert outcome(pow, make(value), 2, modulus) == outcome(pow, value, 2, modulus)


@both_forms
def test_operands_are_left_as_they_were(make: Make) -> None:
    integer = make(21)
    for operation in BINARY.values():
        outcome(operation, integer, 2)
        outcome(operation, 2, integer)
    for unary in UNARY.values():
        unary(integer)
    assert integer.get() == 21


@both_forms
def test_the_other_operand_may_answer(make: Make) -> None:
    class Other:
        def __add__(self, other: object) -> object:
            return ("left", other)

        def __radd__(self, other: object) -> object:
            return ("right", other)

        def __lt__(self, other: object) -> object:
            return ("less", other)

        def __eq__(self, other: object) -> bool:
            return other == 5

        __hash__ = None  # type: ignore[assignment]

    assert Other() + make(5) == ("left", 5)
    assert make(5) + Other() == ("right", 5)
    assert (make(5) > Other()) == ("less", 5)
    assert make(5) == Other()
    assert make(6) != Other()


@both_forms
def test_an_error_of_the_other_operand_propagates(make: Make) -> None:
    class Broken:
        def __radd__(self, other: object) -> object:
            raise LookupError(other)

    with pytest.raises(LookupError, match=r"^5$"):
        make(5) + Broken()


@both_forms
def test_sequences_repeat_and_format_as_by_an_int(make: Make) -> None:
    assert [1] * make(3) == [1, 1, 1]
    assert make(2) * "ab" == "abab"
    assert "%d|%x|%s" % (make(255), make(255), make(255)) == "255|ff|255"  # noqa: UP031
    assert b"%d" % make(12) == b"12"

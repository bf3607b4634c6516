# SPDX-License-Identifier: Apache-2.0
"""Every operator gives float's own result, on both sides, or float's own error."""

from __future__ import annotations

import sys
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .forms import BINARY, EDGES, UNARY, Make, both_forms, outcome

values = st.floats() | st.sampled_from(EDGES) | st.floats(-9, 9)
others = (
    values
    | st.integers(-(2**200), 2**200)
    | st.sampled_from([2**1024, -(2**1024)])
    | st.booleans()
    | st.complex_numbers()
    | st.fractions(-(2**70), 2**70, max_denominator=1000)
    | st.decimals(-(2**70), 2**70, places=2)
    | st.sampled_from([None, "1", b"1", (), [1], {1: 1}, object])
)
binary_operators = pytest.mark.parametrize("symbol", BINARY)


def asks_its_peer_to_be_rational(symbol: str, other: object) -> bool:
    # Up to Python 3.13, Fraction ** x takes whatever is not registered as a rational for a float,
    # without asking it.
    return symbol == "**" and isinstance(other, Fraction) and sys.version_info < (3, 14)


def check_both_sides(make: Make, symbol: str, value: float, other: Any) -> None:
    operation = BINARY[symbol]
    assert outcome(operation, make(value), other) == outcome(operation, value, other)
    if not asks_its_peer_to_be_rational(symbol, other):
        assert outcome(operation, other, make(value)) == outcome(operation, other, value)


@both_forms
@binary_operators
def test_binary_operators_agree_with_float_at_the_edges(make: Make, symbol: str) -> None:
    for value in EDGES:
        for other in [*EDGES, 0, 2, -3, 2**53 + 1, 2**1024]:
            check_both_sides(make, symbol, value, other)


@both_forms
@binary_operators
@given(value=values, other=others)
def test_binary_operators_agree_with_float(
    make: Make, symbol: str, value: float, other: object
) -> None:
    check_both_sides(make, symbol, value, other)


@both_forms
@binary_operators
@given(left=values, right=values)
def test_two_atomic_operands_agree_with_two_floats(
    make: Make, symbol: str, left: float, right: float
) -> None:
    operation = BINARY[symbol]
    expected = outcome(operation, left, right)
    for other_form in (make(right), make(right).get_handle()):
        assert outcome(operation, make(left), other_form) == expected


@both_forms
@pytest.mark.parametrize("symbol", UNARY)
def test_unary_operators_agree_with_float(make: Make, symbol: str) -> None:
    for value in EDGES:
        assert outcome(UNARY[symbol], make(value)) == outcome(UNARY[symbol], value)


@both_forms
@pytest.mark.parametrize("arguments", [(2.0, 3.0, 5.0), (2.0, 3, 5), (2, 3.0, 5), (2, 3, 5.0)])
def test_a_modulus_is_refused_as_by_float(make: Make, arguments: tuple[Any, Any, Any]) -> None:
    wanted = outcome(pow, *arguments)
    assert wanted[0] is TypeError
    for place in range(3):
        mixed = [make(each) if at == place else each for at, each in enumerate(arguments)]
        assert outcome(pow, *mixed) == wanted
    assert pow(make(2.0), 3.0, None) == 8.0


@both_forms
def test_a_fractional_power_of_a_negative_number_is_complex(make: Make) -> None:
    assert make(-8.0) ** 0.5 == (-8.0) ** 0.5
    assert type(make(-8.0) ** 0.5) is complex


@both_forms
def test_operands_are_left_as_they_were(make: Make) -> None:
    number = make(21)
    for operation in BINARY.values():
        outcome(operation, number, 2)
        outcome(operation, 2, number)
    for unary in UNARY.values():
        outcome(unary, number)
    assert number.get() == 21


class Knows:
    """A type that knows what to do with an AtomicFloat, and sees it itself."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def answer(self, other: Any) -> Any:
        self.seen.append(type(other))
        return NotImplemented if type(other) is float else "answer"

    __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rfloordiv__ = __rmod__ = answer
    __rdivmod__ = __rpow__ = __lt__ = __le__ = __gt__ = __ge__ = answer

    def __eq__(self, other: object) -> Any:
        return self.answer(other)

    def __ne__(self, other: object) -> Any:
        return self.answer(other)

    __hash__ = object.__hash__


@both_forms
@pytest.mark.parametrize("symbol", [symbol for symbol in BINARY if symbol not in ("@", "<<", "&")])
def test_a_foreign_type_sees_the_float_first_and_then_the_atomic(make: Make, symbol: str) -> None:
    number, other = make(6), Knows()
    assert BINARY[symbol](number, other) == "answer"
    assert other.seen == [float, type(number)]


@both_forms
def test_an_error_of_the_other_operand_propagates(make: Make) -> None:
    class Broken:
        def __radd__(self, other: object) -> object:
            raise LookupError(other)

        def __eq__(self, other: object) -> bool:
            raise LookupError(other)

        __hash__ = None  # type: ignore[assignment]

    for call in (lambda: make(5) + Broken(), lambda: make(5) == Broken()):
        with pytest.raises(LookupError, match=r"^5\.0$"):
            call()


class Mine(float):
    """A float whose operators come first."""

    def __radd__(self, other: Any) -> Any:
        return ("mine", other)

    def __gt__(self, other: Any) -> Any:
        return ("mine", other)


@both_forms
def test_a_subclass_of_float_goes_first_as_beside_a_float(make: Make) -> None:
    assert make(6) + Mine(1) == 6.0 + Mine(1) == ("mine", 6.0)
    assert (make(6) < Mine(1)) == (Mine(1) > 6.0) == ("mine", 6.0)


@both_forms
@pytest.mark.parametrize("other", ["a", None, [], {}, object()], ids=lambda v: type(v).__name__)
def test_operators_leave_foreign_types_to_others(make: Make, other: Any) -> None:
    number: Any = make(6)
    for name in ("add", "sub", "mul", "truediv", "floordiv", "divmod", "pow"):
        assert getattr(number, f"__{name}__")(other) is NotImplemented
        assert getattr(number, f"__r{name}__")(other) is NotImplemented
    for name in ("lt", "le", "eq", "ne", "gt", "ge"):
        assert getattr(number, f"__{name}__")(other) is NotImplemented
    with pytest.raises(TypeError, match=type(number).__name__):
        number + other

# SPDX-License-Identifier: Apache-2.0
"""The protocols of float work on the current value; only the hash is by identity."""

from __future__ import annotations

import inspect
import math
import numbers
import operator
import sys
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from cereggii_atomicfloat import AtomicFloat, AtomicFloatHandle

from .forms import BINARY, EDGES, INF, MAX, NAN, TINY, Make, both_forms, outcome

every_value = pytest.mark.parametrize("value", EDGES)


@both_forms
@every_value
def test_conversions_agree_with_float(make: Make, value: float) -> None:
    for convert in (int, float, complex, bool, str, math.cos, math.frexp):
        assert outcome(convert, make(value)) == outcome(convert, value)
    if sys.version_info >= (3, 14):  # before, Fraction takes no other type with as_integer_ratio
        assert outcome(Fraction, make(value)) == outcome(Fraction, value)
    for function in (round, math.trunc, math.floor, math.ceil):
        assert outcome(function, make(value)) == outcome(function, value)


@both_forms
@every_value
def test_round_to_digits_agrees_with_float(make: Make, value: float) -> None:
    for digits in (None, -25, -3, -1, 0, 1, 5, 400, "1"):
        assert outcome(round, make(value), digits) == outcome(round, value, digits)


@both_forms
@pytest.mark.parametrize("spec", ["", "g", ".2f", "<20", "+e", ",", "%", "010.3f", "d", "s", "x"])
def test_format_agrees_with_float(make: Make, spec: str) -> None:
    for value in (0.0, 1234567.891, -0.0, NAN, INF, 1e300):
        assert outcome(format, make(value), spec) == outcome(format, value, spec)
    assert f"{make(2.5)} {make(2.5):.3f} %g" % make(0.5) == "2.5 2.500 0.5"


@both_forms
@every_value
def test_the_methods_of_float_agree_with_float(make: Make, value: float) -> None:
    number = make(value)
    for name in ("as_integer_ratio", "is_integer", "hex", "conjugate"):
        assert outcome(getattr(number, name)) == outcome(getattr(value, name))
        with pytest.raises(TypeError):
            getattr(number, name)(1)


@both_forms
@every_value
def test_the_attributes_of_float_are_plain_and_read_only(make: Make, value: float) -> None:
    number: Any = make(value)
    for attribute in ("real", "imag"):
        assert repr(getattr(number, attribute)) == repr(getattr(value, attribute))
        with pytest.raises(AttributeError):
            setattr(number, attribute, 1)
    assert repr(number.get()) == repr(value)


@pytest.mark.parametrize("kind", [AtomicFloat, AtomicFloatHandle, type("Sub", (AtomicFloat,), {})])
def test_a_float_can_be_made_from_a_text_and_from_a_number(kind: Any) -> None:
    made = AtomicFloat if kind is AtomicFloatHandle else kind
    for text in ("0x1.8p3", "-inf", "nan", "0x1p-1074"):
        assert type(kind.fromhex(text)) is made
        assert repr(kind.fromhex(text).get()) == repr(float.fromhex(text))
    for wrong, error in (("no hex", ValueError), ("0x1p5000", OverflowError), (5, TypeError)):
        with pytest.raises(error):
            kind.fromhex(wrong)
    for number in (1.5, 3, Fraction(1, 4), AtomicFloat(2.5)):
        assert type(kind.from_number(number)) is made
        assert kind.from_number(number).get() == float(number)
    for wrong in ("1.5", None):
        with pytest.raises(TypeError):
            kind.from_number(wrong)
    assert kind.__getformat__("double") == float.__getformat__("double")


@both_forms
def test_it_is_no_index_as_a_float_is_none(make: Make) -> None:
    assert not hasattr(make(1), "__index__")
    with pytest.raises(TypeError):
        operator.index(make(1))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        [1, 2][make(1)]  # type: ignore[call-overload]


@both_forms
def test_truth_is_that_of_the_value(make: Make) -> None:
    for value in EDGES:
        assert bool(make(value)) is bool(value)


@both_forms
@every_value
def test_equal_to_every_number_of_the_same_value(make: Make, value: float) -> None:
    number: Any = make(value)
    same = [value, AtomicFloat(value), make(value)]
    if math.isfinite(value):
        same += [Fraction(value), Decimal(value), complex(value)]
    for other in same:
        assert (number == other) is (other == number) is (value == value)
        assert (number != other) is (other != number) is (value != value)
    for stranger in (str(value), None):
        assert number != stranger


@both_forms
def test_ordered_by_value(make: Make) -> None:
    values = [make(3), make(-1.5), make(INF), make(TINY)]
    assert [float(value) for value in sorted(values)] == [-1.5, TINY, 3, INF]
    assert max(values) is values[2]
    assert make(2**53) < 2**53 + 1  # exact, as between float and int
    assert not make(3) < NAN
    with pytest.raises(TypeError):
        make(3) < "4"  # type: ignore[operator]  # noqa: B015


def test_the_hash_is_by_identity_and_shared_by_a_float_and_its_handles() -> None:
    number = AtomicFloat(5)
    before = hash(number)
    handle = number.get_handle()
    number.set(6)
    assert hash(number) == hash(handle) == hash(handle.get_handle()) == before
    assert {number: "found"}[handle] == "found"  # type: ignore[index]
    others = [AtomicFloat(5) for _ in range(100)]
    assert len({hash(other) for other in others}) == 100


def test_handles_are_equal_to_their_float_and_to_each_other() -> None:
    number = AtomicFloat(5)
    assert number == number.get_handle() == number.get_handle() == number


def test_repr_shows_the_type_and_the_value() -> None:
    class Special(AtomicFloat):
        pass

    assert repr(AtomicFloat(-5)) == "AtomicFloat(-5.0)"
    assert repr(AtomicFloat(0.1).get_handle()) == "AtomicFloatHandle(AtomicFloat(0.1))"
    assert repr(Special(NAN)) == "Special(nan)"
    assert eval(repr(AtomicFloat(MAX))).get() == MAX


def test_the_public_types_are_named_as_they_are_imported() -> None:
    for kind in (AtomicFloat, AtomicFloatHandle):
        assert kind.__module__ == "cereggii_atomicfloat"
        assert kind.__qualname__ == kind.__name__


# ── beside other numbers ───────────────────────────────────────────────────────────────────────


@both_forms
def test_it_is_a_real_number(make: Make) -> None:
    number = make(6)
    for kind in (numbers.Number, numbers.Complex, numbers.Real):
        assert isinstance(number, kind)
        assert issubclass(type(number), kind)
    assert not isinstance(number, numbers.Rational)
    assert Fraction(1, 2) + number == number + Fraction(1, 2) == 6.5
    assert type(Fraction(1, 2) + number) is float


def test_it_has_every_member_of_float() -> None:
    for kind in (AtomicFloat, AtomicFloatHandle):
        assert {*dir(float)} - {*dir(kind)} == set()


def test_it_can_be_mixed_with_real() -> None:
    class Mixed(AtomicFloat, numbers.Real):
        pass

    class MixedHandle(AtomicFloatHandle, numbers.Real):
        pass

    assert Mixed(4) + 1 == MixedHandle(Mixed(4)) + 1 == 5
    assert complex(Mixed(4)) == 4


@pytest.mark.parametrize("kind", [AtomicFloat, AtomicFloatHandle])
def test_class_methods_have_the_signatures_of_float(kind: Any) -> None:
    assert str(inspect.signature(kind.fromhex)) == "(string: 'Any', /) -> 'Any'"


# ── numpy ──────────────────────────────────────────────────────────────────────────────────────

try:
    import numpy
except ImportError:  # has no wheel for this version yet
    numpy = None  # type: ignore[assignment]
with_numpy = pytest.mark.skipif(
    numpy is None, reason="needs numpy, which `tools/dev.py recipes` installs"
)

DTYPES = ["int8", "uint8", "int64", "float16", "float32", "float64", "complex64"]
ARITHMETIC = ["+", "-", "*", "/", "//", "%", "**", "divmod", "<", "<=", "==", "!=", ">", ">="]


def same(result: Any, wanted: Any) -> None:
    assert type(result) is type(wanted)
    if isinstance(wanted, tuple):
        for a, b in zip(result, wanted, strict=True):
            same(a, b)
        return
    assert getattr(result, "dtype", None) == getattr(wanted, "dtype", None)
    assert numpy.all(result == wanted)


@with_numpy
@both_forms
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [None, (), (3,)])
def test_numpy_operands_keep_their_dtype(make: Make, dtype: str, shape: Any) -> None:
    left = numpy.dtype(dtype).type(7) if shape is None else numpy.full(shape, 7, dtype)
    for symbol in ARITHMETIC:
        if dtype == "complex64" and symbol in ("//", "%", "divmod"):
            continue
        function = BINARY[symbol]
        same(function(left, make(2.5)), function(left, 2.5))
        same(function(make(2.5), left), function(2.5, left))


@with_numpy
@both_forms
def test_numpy_functions_take_the_value(make: Make) -> None:
    number = make(4)
    same(numpy.add(number, number), numpy.add(4.0, 4.0))
    same(numpy.sqrt(number), numpy.sqrt(4.0))
    array = numpy.ones(3, "float32")
    alias = array
    array += make(1.5)
    assert array is alias
    assert list(array) == [2.5] * 3
    out = numpy.zeros(1)
    assert numpy.add(number, 1, out=out) is out
    with pytest.raises(TypeError):
        numpy.add(1, 1, out=number)  # it is not an array


@with_numpy
@both_forms
def test_a_numpy_number_is_an_operand_in_place(make: Make) -> None:
    number: Any = make(4)
    before = number
    number += numpy.int8(3)
    number *= numpy.float32(0.5)
    number /= numpy.float64(2)
    assert number is before
    assert number == 1.75
    with pytest.raises(TypeError):
        number += numpy.ones(2)
    assert number.get() == 1.75

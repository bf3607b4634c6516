# SPDX-License-Identifier: Apache-2.0
"""An AtomicInt beside other numbers: numbers.Integral, what foreign types make of it, and numpy."""

from __future__ import annotations

import enum
import inspect
import numbers
import operator
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from cereggii_atomicint import AtomicCounter, AtomicInt, AtomicIntHandle

from .forms import BINARY, STORABLE_EDGES, Make, both_forms, outcome

DUNDERS = {
    "+": "add", "-": "sub", "*": "mul", "/": "truediv", "//": "floordiv", "%": "mod",
    "divmod": "divmod", "**": "pow", "<<": "lshift", ">>": "rshift", "&": "and", "|": "or",
    "^": "xor",
}  # fmt: skip
COMPARISONS = ["__lt__", "__le__", "__eq__", "__ne__", "__gt__", "__ge__"]


# ── types ──────────────────────────────────────────────────────────────────────────────────────


@both_forms
def test_it_is_a_number(make: Make) -> None:
    number = make(6)
    for kind in (numbers.Number, numbers.Complex, numbers.Real, numbers.Rational, numbers.Integral):
        assert isinstance(number, kind)
        assert issubclass(type(number), kind)
    assert Fraction(number, 4) == Fraction(3, 2)
    assert Fraction(3, number) == Fraction(1, 2)
    assert Fraction(1, 2) + number == number + Fraction(1, 2) == Fraction(13, 2)
    assert Decimal(2) * int(number) == 12
    assert not isinstance(AtomicCounter(), numbers.Number)


def test_it_has_every_member_of_int() -> None:
    for kind in (AtomicInt, AtomicIntHandle):
        assert {*dir(int)} - {*dir(kind)} == set()


@both_forms
def test_it_can_be_mixed_with_integral(make: Make) -> None:
    class Mixed(AtomicInt, numbers.Integral):
        pass

    class MixedHandle(AtomicIntHandle, numbers.Integral):
        pass

    assert Mixed(4) + 1 == MixedHandle(Mixed(4)) + 1 == 5
    assert complex(Mixed(4)) == 4


@both_forms
@pytest.mark.parametrize("value", STORABLE_EDGES)
def test_is_integer(make: Make, value: int) -> None:
    assert make(value).is_integer() is True


@pytest.mark.parametrize("kind", [AtomicInt, AtomicIntHandle, type("Sub", (AtomicInt,), {})])
def test_from_bytes(kind: Any) -> None:
    made = AtomicInt if kind is AtomicIntHandle else kind
    assert type(kind.from_bytes(b"\x05")) is made
    for arguments, keywords in (
        ((b"\x05",), {}),
        ((b"\x01\x02",), {}),
        ((b"\x01\x02", "little"), {}),
        ((), {"bytes": [255, 254], "byteorder": "big", "signed": True}),
        ((b"",), {"signed": True}),
        ((b"\xff" * 8,), {"signed": True}),
    ):
        assert kind.from_bytes(*arguments, **keywords) == int.from_bytes(*arguments, **keywords)
    for arguments, keywords in (
        ((5.5,), {}),
        ((b"a", "middle"), {}),
        ((b"a", "big", True), {}),
        ((), {}),
        (([256],), {}),
        (("a",), {}),
    ):
        with pytest.raises((TypeError, ValueError)):
            kind.from_bytes(*arguments, **keywords)
    with pytest.raises(OverflowError, match="18446744073709551615"):
        kind.from_bytes(b"\xff" * 8)
    parameters = inspect.signature(kind.from_bytes).parameters.values()
    wanted = inspect.signature(int.from_bytes).parameters.values()
    assert [(p.name, p.default) for p in parameters] == [(p.name, p.default) for p in wanted]


# ── foreign operands ───────────────────────────────────────────────────────────────────────────


@both_forms
@pytest.mark.parametrize("other", ["a", None, [], {}, object()], ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("symbol", DUNDERS)
def test_operators_leave_foreign_types_to_others(make: Make, other: Any, symbol: str) -> None:
    number = make(6)
    assert getattr(number, f"__{DUNDERS[symbol]}__")(other) is NotImplemented
    if (type(other), symbol) != (str, "%"):  # of which a str makes something itself
        assert getattr(number, f"__r{DUNDERS[symbol]}__")(other) is NotImplemented


@both_forms
@pytest.mark.parametrize("other", ["a", None, [], {}, object()], ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons_leave_foreign_types_to_others(make: Make, other: Any, name: str) -> None:
    assert getattr(make(6), name)(other) is NotImplemented
    symbol = {"__lt__": "<", "__le__": "<=", "__gt__": ">", "__ge__": ">="}.get(name)
    compare = getattr(operator, name)
    for left, right in ((make(6), other), (other, make(6))):
        if symbol is None:
            assert compare(left, right) is (name == "__ne__")
            continue
        with pytest.raises(TypeError) as caught:
            compare(left, right)
        kinds = [
            each.__qualname__
            if each.__module__ == "builtins"
            else f"{each.__module__}.{each.__name__}"
            for each in (type(left), type(right))
        ]
        message = f"'{symbol}' not supported between instances of '{kinds[0]}' and '{kinds[1]}'"
        short = message.replace("cereggii_atomicint.", "")
        assert str(caught.value) in (message, short)


@both_forms
@pytest.mark.parametrize("symbol", DUNDERS)
def test_a_message_names_both_types(make: Make, symbol: str) -> None:
    for left, right in ((make(6), object()), (object(), make(6))):
        with pytest.raises(TypeError) as caught:
            BINARY[symbol](left, right)
        assert "unsupported operand type" in str(caught.value)
        assert f"'{type(make(6)).__name__}'" in str(caught.value).replace("cereggii_atomicint.", "")


class Knows:
    """A type that knows what to do with an AtomicInt, and sees it itself."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def answer(self, other: Any) -> Any:
        self.seen.append(type(other))
        return NotImplemented if type(other) is int else "answer"

    __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rfloordiv__ = __rmod__ = answer
    __rdivmod__ = __rpow__ = __rlshift__ = __rrshift__ = __rand__ = __ror__ = __rxor__ = answer
    __lt__ = __le__ = __gt__ = __ge__ = answer

    def __eq__(self, other: object) -> Any:
        return self.answer(other)

    def __ne__(self, other: object) -> Any:
        return self.answer(other)

    __hash__ = object.__hash__


@both_forms
def test_a_foreign_type_sees_the_int_first_and_then_the_atomic(make: Make) -> None:
    number = make(6)
    calls: list[Callable[[Any], Any]] = [
        *(lambda other, symbol=symbol: BINARY[symbol](number, other) for symbol in DUNDERS),
        *(lambda other, name=name: getattr(operator, name)(number, other) for name in COMPARISONS),
    ]
    for call in calls:
        other = Knows()
        assert call(other) == "answer"
        assert other.seen == [int, type(number)]


class Mine(int):
    """An int whose operators come first."""

    def __radd__(self, other: Any) -> Any:
        return ("mine", other)

    def __gt__(self, other: Any) -> Any:
        return ("mine", other)


@both_forms
def test_a_subclass_of_int_goes_first_as_beside_an_int(make: Make) -> None:
    number = make(6)
    assert number + Mine(1) == 6 + Mine(1) == ("mine", 6)
    assert (number < Mine(1)) == (Mine(1) > 6) == ("mine", 6)


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 6


@both_forms
def test_enums_and_bools_are_ints(make: Make) -> None:
    number = make(6)
    assert number == Level.HIGH
    assert number > Level.LOW
    assert number + True == 7
    assert True + number == 7
    assert number & Level.LOW == 0


@both_forms
def test_a_modulus_is_as_for_int(make: Make) -> None:
    for arguments in ((7, 3, 5), (7, -1, 5), (7, 3, 0), (7, -1, 7), (7, 3, None), (7, 3, "a")):
        wanted = outcome(pow, *arguments)
        for place in range(3):
            mixed = list(arguments)
            if isinstance(mixed[place], int):
                mixed[place] = make(mixed[place])
            assert outcome(pow, *mixed) == wanted, mixed
    for arguments in ((2.0, make(3), 5), (make(2), 3.0, 5), (make(2), Fraction(1, 2), 5)):
        plain = [int(each) if isinstance(each, numbers.Integral) else each for each in arguments]
        assert outcome(pow, *arguments) == outcome(pow, *plain)


@both_forms
def test_sequences_are_repeated_on_both_sides(make: Make) -> None:
    for sequence in ("ab", b"ab", (1, 2), [1, 2], bytearray(b"ab")):
        assert make(3) * sequence == sequence * make(3) == sequence * 3
    assert "%d %x" % (make(10), make(10)) == "10 a"  # noqa: UP031
    assert [0, 1, 2][make(1)] == 1


def test_an_exception_of_an_operand_propagates() -> None:
    class Raises:
        def __radd__(self, other: Any) -> Any:
            raise LookupError

        def __eq__(self, other: object) -> Any:
            raise LookupError

        __hash__ = object.__hash__

    for call in (lambda: AtomicInt(1) + Raises(), lambda: AtomicInt(1) == Raises()):
        with pytest.raises(LookupError):
            call()


# ── counters ───────────────────────────────────────────────────────────────────────────────────


def test_a_counter_and_its_handles_are_equal() -> None:
    counter, another = AtomicCounter(5), AtomicCounter(5)
    handle = counter.get_handle()
    for one in (counter, handle):
        for same in (counter, handle, counter.get_handle(), handle.get_handle()):
            assert (one == same, one != same) == (True, False)
            assert hash(one) == hash(same)
        for other in (another, another.get_handle(), 5, None):
            assert (one == other, one != other) == (False, True)
        with pytest.raises(TypeError):
            one < counter  # noqa: B015
    assert {counter: 1}[handle] == 1
    assert len({counter, handle, another}) == 2
    counter.add(1)
    assert {counter: 1}[handle] == 1


# ── numpy ──────────────────────────────────────────────────────────────────────────────────────

try:
    import numpy
except ImportError:  # has no wheel for this version yet
    numpy = None  # type: ignore[assignment]
with_numpy = pytest.mark.skipif(
    numpy is None, reason="needs numpy, which `tools/dev.py recipes` installs"
)

DTYPES = ["int8", "uint8", "int16", "int32", "int64", "uint64", "float32", "float64", "complex64"]
ARITHMETIC = {
    s: f for s, f in BINARY.items() if s in ("+", "-", "*", "/", "//", "%", "**", "divmod")
}


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
    for symbol, function in ARITHMETIC.items():
        if dtype == "complex64" and symbol in ("//", "%", "divmod"):
            continue
        with numpy.errstate(all="ignore"):  # 3 - 7 is beyond an unsigned number
            same(function(left, make(3)), function(left, 3))
            same(function(make(3), left), function(3, left))
    for name in ("lt", "le", "eq", "ne", "gt", "ge"):
        compare = getattr(operator, name)
        same(compare(left, make(3)), compare(left, 3))
        same(compare(make(3), left), compare(3, left))


@with_numpy
@both_forms
def test_numpy_arrays_are_changed_in_place(make: Make) -> None:
    for dtype in DTYPES:
        array = numpy.arange(4, dtype=dtype)
        alias = array
        array += make(3)
        array *= make(2)
        array -= make(1)
        assert array is alias
        assert array.dtype == dtype
        assert list(array) == [5, 7, 9, 11]
    array = numpy.zeros(2, "int8")
    with pytest.raises(OverflowError):
        array += make(1000)


@with_numpy
@both_forms
def test_numpy_functions_take_the_value(make: Make) -> None:
    number = make(4)
    same(numpy.add(number, number), numpy.add(4, 4))
    same(numpy.sqrt(number), numpy.sqrt(4))
    same(numpy.add(number, make(5).get_handle() if hasattr(number, "get_handle") else 5),
         numpy.add(4, 5))  # fmt: skip
    array = numpy.arange(5)
    numpy.add.at(array, number, number)
    assert list(array) == [0, 1, 2, 3, 8]
    same(numpy.multiply.outer(numpy.arange(3, dtype="int8"), number),
         numpy.multiply.outer(numpy.arange(3, dtype="int8"), 4))  # fmt: skip
    out = numpy.zeros(1, "int16")
    assert numpy.add(number, 1, out=out) is out
    assert out[0] == 5
    assert numpy.arange(number).size == 4
    assert numpy.zeros((number, number)).shape == (4, 4)
    assert array[number] == 8
    assert numpy.array([number], dtype="int64")[0] == 4
    assert list(numpy.add([1.0], 1, where=number, out=numpy.zeros(1))) == [2.0]
    with pytest.raises(TypeError):
        numpy.add(1, 1, out=number)  # it is not an array


@with_numpy
@both_forms
def test_a_numpy_integer_is_an_operand_in_place(make: Make) -> None:
    number: Any = make(4)
    before = number
    number += numpy.int8(3)
    number *= numpy.int64(2)
    number |= numpy.uint8(1)
    assert number is before
    assert number == 15
    with pytest.raises(TypeError):
        number += numpy.float64(1)
    with pytest.raises(OverflowError):
        number += numpy.uint64(2**63)
    assert number.get() == 15

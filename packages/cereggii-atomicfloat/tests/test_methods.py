# SPDX-License-Identifier: Apache-2.0
"""The named methods: results, keywords, errors; an error leaves the value as it was."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from cereggii_atomicfloat import AtomicFloat, AtomicFloatHandle

from .forms import EDGES, INF, NAN, PAYLOADS, Make, bits, both_forms, matches

ADDING: dict[str, Callable[[float, float], tuple[float, float]]] = {  # -> (result, stored)
    "increment_and_get": lambda value, amount: (value + amount, value + amount),
    "get_and_increment": lambda value, amount: (value, value + amount),
    "decrement_and_get": lambda value, amount: (value - amount, value - amount),
    "get_and_decrement": lambda value, amount: (value, value - amount),
}


def greater(a: float, b: float) -> float:
    """What IEEE 754-2019 calls maximumNumber."""
    if math.isnan(a) or math.isnan(b):
        return b if math.isnan(a) else a
    return max(a, b, key=lambda x: (x, math.copysign(1, x)))


def lesser(a: float, b: float) -> float:
    return -greater(-a, -b)


COMBINING = {"get_and_max": greater, "get_and_min": lesser}
# Every argument that is a number: the method, and the call with it.
NUMBER_ARGUMENTS: dict[str, Callable[[Any, Any], Any]] = {
    "set": lambda a, x: a.set(x),
    "get_and_set": lambda a, x: a.get_and_set(x),
    "compare_and_set expected": lambda a, x: a.compare_and_set(x, 1),
    "compare_and_set updated": lambda a, x: a.compare_and_set(6, x),
    "compare_and_exchange expected": lambda a, x: a.compare_and_exchange(x, 1),
    "compare_and_exchange updated": lambda a, x: a.compare_and_exchange(6, x),
    "wait_while": lambda a, x: a.wait_while(x, 0),
    **{name: lambda a, x, name=name: getattr(a, name)(x) for name in [*ADDING, *COMBINING]},
    "update_and_get": lambda a, x: a.update_and_get(lambda _: x),
    "get_and_update": lambda a, x: a.get_and_update(lambda _: x),
    "accumulate_and_get": lambda a, x: a.accumulate_and_get(x, lambda _, y: y),
    "get_and_accumulate": lambda a, x: a.get_and_accumulate(x, lambda _, y: y),
}
CALLBACKS: dict[str, Callable[[Any, Callable[[float], Any]], Any]] = {
    "update_and_get": lambda a, fn: a.update_and_get(fn),
    "get_and_update": lambda a, fn: a.get_and_update(fn),
    "accumulate_and_get": lambda a, fn: a.accumulate_and_get(1, lambda value, _: fn(value)),
    "get_and_accumulate": lambda a, fn: a.get_and_accumulate(1, lambda value, _: fn(value)),
}

every_number_argument = pytest.mark.parametrize("method", NUMBER_ARGUMENTS)
every_callback = pytest.mark.parametrize("method", CALLBACKS)


@both_forms
def test_every_pattern_of_bits_is_kept(make: Make) -> None:
    number = make(0)
    previous = 0.0
    for value in [*EDGES, *PAYLOADS]:
        assert bits(make(value).get()) == bits(value)
        assert bits(number.get_and_set(value)) == bits(previous)
        assert bits(number.get()) == bits(value)
        assert number.set(-value) is None  # type: ignore[func-returns-value]
        assert bits(number.get()) == bits(-value)
        previous = -value


@both_forms
def test_compare_and_set_stores_only_if_the_value_matches(make: Make) -> None:
    for value in [*EDGES, *PAYLOADS]:
        for expected in EDGES:
            number = make(value)
            assert number.compare_and_set(expected, 42) is matches(value, expected)
            assert bits(number.get()) == bits(42.0 if matches(value, expected) else value)


@both_forms
def test_compare_and_exchange_returns_what_it_found(make: Make) -> None:
    for value in [*EDGES, *PAYLOADS]:
        for expected in EDGES:
            number = make(value)
            assert bits(number.compare_and_exchange(expected, 42)) == bits(value)
            assert bits(number.get()) == bits(42.0 if matches(value, expected) else value)


@both_forms
def test_zeros_of_both_signs_match_and_the_updated_sign_is_stored(make: Make) -> None:
    number = make(-0.0)
    assert number.compare_and_set(0.0, 0.0)
    assert bits(number.get()) == bits(0.0)
    assert number.compare_and_set(0.0, -0.0)
    assert bits(number.get()) == bits(-0.0)


@both_forms
@pytest.mark.parametrize("method", ADDING)
def test_adding_is_addition_of_floats(make: Make, method: str) -> None:
    for value in EDGES:
        for amount in EDGES:
            number = make(value)
            result, stored = ADDING[method](value, amount)
            assert repr(getattr(number, method)(amount)) == repr(result)
            assert repr(number.get()) == repr(stored)


@both_forms
@pytest.mark.parametrize("method", ADDING)
def test_adding_adds_one_by_default_and_for_none(make: Make, method: str) -> None:
    result, stored = ADDING[method](5.5, 1)
    for arguments, keywords in [((), {}), ((None,), {}), ((), {"amount": None})]:
        number = make(5.5)
        assert getattr(number, method)(*arguments, **keywords) == result
        assert number.get() == stored
    assert getattr(make(5.5), method)(amount=3) == ADDING[method](5.5, 3)[0]


@both_forms
@pytest.mark.parametrize("method", COMBINING)
def test_the_greater_and_the_smaller_number_pass_over_nan(make: Make, method: str) -> None:
    combine = COMBINING[method]
    for value in EDGES:
        for operand in EDGES:
            number = make(value)
            assert repr(getattr(number, method)(operand)) == repr(value)
            assert repr(number.get()) == repr(combine(value, operand)), (value, operand)
            getattr(number, method)(value=operand)
            assert repr(number.get()) == repr(combine(value, operand))


@both_forms
def test_update_stores_the_result_of_the_function(make: Make) -> None:
    number = make(5)
    assert number.update_and_get(lambda value: value * 3) == 15
    assert number.get_and_update(lambda value: value - 0.5) == 15
    assert number.accumulate_and_get(2, lambda value, x: value**x) == 210.25
    assert number.get_and_accumulate(6, lambda value, x: value // x) == 210.25
    assert number.get() == 35
    assert number.accumulate_and_get("abc", lambda value, text: value + len(text)) == 38
    for result in (True, Fraction(1, 4), Decimal("0.25"), AtomicFloat(0.25)):
        stored = number.update_and_get(lambda _, result=result: result)
        assert stored == float(result)
        assert type(stored) is float


@both_forms
@every_callback
@pytest.mark.parametrize("value", [1.0, -0.0, NAN, INF])
def test_a_function_sees_a_float_and_runs_once_if_nothing_changes(
    make: Make, method: str, value: float
) -> None:
    seen: list[float] = []
    CALLBACKS[method](make(value), lambda found: seen.append(found) or 0)  # type: ignore[func-returns-value]
    assert [bits(found) for found in seen] == [bits(value)]
    assert type(seen[0]) is float


@both_forms
@every_callback
def test_a_function_runs_again_if_the_value_changed_meanwhile(make: Make, method: str) -> None:
    for first, second in ((1.0, 100.0), (NAN, 1.0), (0.0, -0.0), (PAYLOADS[0], PAYLOADS[1])):
        number = make(first)
        seen: list[int] = []

        def function(value: float, number: Any = number, second: float = second) -> float:
            seen.append(bits(value))  # noqa: B023  called in this iteration
            if len(seen) == 1:  # noqa: B023
                number.set(second)
            return 7.0

        result = CALLBACKS[method](number, function)
        assert seen == [bits(first), bits(second)]
        assert number.get() == 7
        assert bits(result) == bits(second if method.startswith("get_and") else 7.0)


@both_forms
@every_callback
def test_a_function_may_update_the_number_itself(make: Make, method: str) -> None:
    number = make(0)

    def function(value: float) -> float:
        if value < 20:
            CALLBACKS[method](number, lambda inner: inner + 5)
        return value + 1

    CALLBACKS[method](number, function)
    assert number.get() == 21


@both_forms
@every_callback
def test_an_exception_of_the_function_propagates(make: Make, method: str) -> None:
    class Stop(BaseException):
        pass

    def function(value: float) -> float:
        raise Stop(value)

    number = make(6)
    with pytest.raises(Stop, match=r"^6\.0$"):
        CALLBACKS[method](number, function)
    assert number.get() == 6


@both_forms
@pytest.mark.parametrize("function", [None, 5, "text"])
def test_an_argument_that_is_not_callable_is_refused_and_named(make: Make, function: Any) -> None:
    number = make(6)
    for call in (
        lambda: number.update_and_get(function),
        lambda: number.get_and_update(function),
        lambda: number.accumulate_and_get(1, function),
        lambda: number.get_and_accumulate(1, function),
    ):
        with pytest.raises(TypeError) as caught:
            call()
        assert repr(function) in str(caught.value)
    assert number.get() == 6


@both_forms
@every_number_argument
@pytest.mark.parametrize("argument", ["6", b"6", bytearray(b"6"), [6], 6j, object])
def test_an_argument_that_is_not_a_real_number_is_refused_and_named(
    make: Make, method: str, argument: object
) -> None:
    number = make(6)
    with pytest.raises(TypeError) as caught:
        NUMBER_ARGUMENTS[method](number, argument)
    assert repr(argument) in str(caught.value)
    assert "real number" in str(caught.value)
    assert number.get() == 6


@both_forms
@pytest.mark.parametrize("method", [name for name in NUMBER_ARGUMENTS if name not in ADDING])
def test_none_is_a_number_only_as_an_amount(make: Make, method: str) -> None:
    number = make(6)
    with pytest.raises(TypeError, match="None"):
        NUMBER_ARGUMENTS[method](number, None)
    assert number.get() == 6


class Huge:
    def __index__(self) -> int:
        return 2**5000

    def __repr__(self) -> str:
        return "Huge()"


@both_forms
@every_number_argument
@pytest.mark.parametrize("argument", [2**1024, -(2**1024), Huge()], ids=repr)
def test_an_int_too_large_for_a_float_is_refused_and_named(
    make: Make, method: str, argument: object
) -> None:
    number = make(6)
    with pytest.raises(OverflowError) as caught:
        NUMBER_ARGUMENTS[method](number, argument)
    assert repr(argument)[:200] in str(caught.value)
    assert number.get() == 6


@both_forms
@every_number_argument
def test_a_number_too_long_to_print_is_refused(make: Make, method: str) -> None:
    number = make(6)
    with pytest.raises(OverflowError):
        NUMBER_ARGUMENTS[method](number, 10**10_000)
    assert number.get() == 6


@both_forms
@every_number_argument
def test_a_broken_repr_does_not_hide_the_error(make: Make, method: str) -> None:
    class Broken:
        def __repr__(self) -> str:
            raise LookupError

    number = make(6)
    with pytest.raises(TypeError, match="Broken"):
        NUMBER_ARGUMENTS[method](number, Broken())
    assert number.get() == 6


class Six:
    def __float__(self) -> float:
        return 6.0


class SixIndex:
    def __index__(self) -> int:
        return 6


class Lying(float):
    """A float whose own methods are not asked."""

    def __float__(self) -> float:
        raise LookupError


@both_forms
@every_number_argument
def test_a_number_argument_may_be_what_float_takes(make: Make, method: str) -> None:
    for argument in (
        6, Six(), SixIndex(), Lying(6), Fraction(6), Decimal(6), AtomicFloat(6),
        AtomicFloat(6).get_handle(),
    ):  # fmt: skip
        with_object, with_float = make(6), make(6)
        result = NUMBER_ARGUMENTS[method](with_object, argument)
        assert result == NUMBER_ARGUMENTS[method](with_float, 6.0)
        assert with_object.get() == with_float.get()
        assert type(with_object.get()) is float


@both_forms
@every_number_argument
def test_an_error_of_the_argument_itself_propagates(make: Make, method: str) -> None:
    class Broken:
        def __float__(self) -> float:
            raise LookupError("no float")

    class NoFloat:
        def __float__(self) -> Any:
            return "6"

    number = make(6)
    with pytest.raises(LookupError, match="no float"):
        NUMBER_ARGUMENTS[method](number, Broken())
    with pytest.raises(TypeError, match="NoFloat"):
        NUMBER_ARGUMENTS[method](number, NoFloat())
    assert number.get() == 6


@both_forms
def test_minus_one_is_a_value_and_no_error(make: Make) -> None:
    class MinusOne:
        def __float__(self) -> float:
            return -1.0

    number = make(0)
    number.set(MinusOne())
    assert number.get() == -1
    number.set(-1)
    assert number.increment_and_get(MinusOne()) == -2


@both_forms
def test_arguments_may_be_given_by_keyword(make: Make) -> None:
    number = make(1)
    assert number.compare_and_set(expected=1, updated=4)
    assert number.compare_and_set(expected=4, desired=5)
    assert number.compare_and_exchange(expected=5, desired=6) == 5
    assert number.update_and_get(callable=lambda value: value + 1) == 7
    assert number.accumulate_and_get(x=2, fn=lambda value, x: value * x) == 14
    assert number.get_and_max(value=3) == 14
    assert number.wait_while(value=3, timeout=0) is True


TOO_FEW: dict[str, int] = {
    "set": 0,
    "get_and_set": 0,
    "compare_and_set": 1,
    "compare_and_exchange": 1,
    "update_and_get": 0,
    "get_and_update": 0,
    "accumulate_and_get": 1,
    "get_and_accumulate": 1,
    "wait_while": 0,
    **dict.fromkeys(COMBINING, 0),
}
TOO_MANY: dict[str, int] = {
    "get": 1,
    "notify_one": 1,
    "notify_all": 1,
    "get_handle": 1,
    "wait_while": 3,
    **dict.fromkeys(ADDING, 2),
    **{name: most + 2 for name, most in TOO_FEW.items() if name != "wait_while"},
}


@both_forms
@pytest.mark.parametrize("counts", [TOO_FEW, TOO_MANY], ids=["too few", "too many"])
def test_a_wrong_number_of_arguments_is_a_type_error(make: Make, counts: dict[str, int]) -> None:
    number = make(6)
    for method, count in counts.items():
        with pytest.raises(TypeError, match=method):
            getattr(number, method)(*[6] * count)
    assert number.get() == 6


@both_forms
def test_get_handle_makes_another_handle_of_the_same_float(make: Make) -> None:
    number = make(6)
    first, second = number.get_handle(), number.get_handle()
    assert type(first) is type(second) is AtomicFloatHandle
    assert first is not second
    assert first.get_handle() is not first
    first.set(7)
    assert [number.get(), second.get(), first.get_handle().get()] == [7, 7, 7]


@pytest.mark.parametrize("kind", [AtomicFloat, AtomicFloatHandle])
def test_signatures_can_be_inspected(kind: type[Any]) -> None:
    assert [*inspect.signature(kind.compare_and_set).parameters] == ["self", "expected", "updated"]
    assert inspect.signature(kind.increment_and_get).parameters["amount"].default == 1
    assert inspect.signature(kind.wait_while).parameters["timeout"].default is None

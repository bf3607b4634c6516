# SPDX-License-Identifier: Apache-2.0
"""The named methods: results, keywords, ranges, errors; an error leaves the value as it was."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from cereggii_atomicint import AtomicInt, AtomicIntHandle

from .forms import HIGHEST, LOWEST, STORABLE_EDGES, Make, both_forms

ADDING: dict[str, Callable[[int, int], tuple[int, int]]] = {  # (value, amount) -> (result, stored)
    "increment_and_get": lambda value, amount: (value + amount, value + amount),
    "get_and_increment": lambda value, amount: (value, value + amount),
    "decrement_and_get": lambda value, amount: (value - amount, value - amount),
    "get_and_decrement": lambda value, amount: (value, value - amount),
}
COMBINING: dict[str, tuple[str, Callable[[int, int], int]]] = {
    "get_and_or": ("mask", lambda value, mask: value | mask),
    "get_and_and": ("mask", lambda value, mask: value & mask),
    "get_and_xor": ("mask", lambda value, mask: value ^ mask),
    "get_and_max": ("value", max),
    "get_and_min": ("value", min),
}
# Every argument that is an integer: the method, and the call with it.
INTEGER_ARGUMENTS: dict[str, Callable[[Any, Any], Any]] = {
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
CALLBACKS: dict[str, Callable[[Any, Callable[[int], Any]], Any]] = {
    "update_and_get": lambda a, fn: a.update_and_get(fn),
    "get_and_update": lambda a, fn: a.get_and_update(fn),
    "accumulate_and_get": lambda a, fn: a.accumulate_and_get(1, lambda value, _: fn(value)),
    "get_and_accumulate": lambda a, fn: a.get_and_accumulate(1, lambda value, _: fn(value)),
}

every_integer_argument = pytest.mark.parametrize("method", INTEGER_ARGUMENTS)
every_callback = pytest.mark.parametrize("method", CALLBACKS)


@both_forms
def test_get_and_set_store_every_64_bit_value(make: Make) -> None:
    integer = make(0)
    previous = 0
    for value in STORABLE_EDGES:
        assert make(value).get() == value
        assert integer.get_and_set(value) == previous
        assert integer.get() == value
        integer.set(~value)
        assert integer.get() == ~value
        previous = ~value


@both_forms
def test_set_returns_nothing(make: Make) -> None:
    assert make(1).set(2) is None  # type: ignore[func-returns-value]


@both_forms
def test_compare_and_set_stores_only_if_the_value_is_expected(make: Make) -> None:
    for value in STORABLE_EDGES:
        for updated in STORABLE_EDGES:
            integer = make(value)
            assert integer.compare_and_set(~value, updated) is False
            assert integer.get() == value
            assert integer.compare_and_set(value, updated) is True
            assert integer.get() == updated


@both_forms
def test_compare_and_exchange_returns_what_it_found(make: Make) -> None:
    for value in STORABLE_EDGES:
        for updated in STORABLE_EDGES:
            integer = make(value)
            assert integer.compare_and_exchange(~value, updated) == value
            assert integer.get() == value
            assert integer.compare_and_exchange(value, updated) == value
            assert integer.get() == updated


@both_forms
@pytest.mark.parametrize("method", ADDING)
def test_adding_returns_the_value_it_promises_or_refuses(make: Make, method: str) -> None:
    for value in STORABLE_EDGES:
        for amount in STORABLE_EDGES:
            integer = make(value)
            result, stored = ADDING[method](value, amount)
            if LOWEST <= stored <= HIGHEST:
                assert getattr(integer, method)(amount) == result
                assert integer.get() == stored
            else:
                with pytest.raises(OverflowError) as caught:
                    getattr(integer, method)(amount)
                assert str(value) in str(caught.value)
                assert str(amount) in str(caught.value)
                assert integer.get() == value


@both_forms
@pytest.mark.parametrize("method", ADDING)
def test_adding_adds_one_by_default_and_for_none(make: Make, method: str) -> None:
    result, stored = ADDING[method](5, 1)
    for arguments, keywords in [((), {}), ((None,), {}), ((), {"amount": None})]:
        integer = make(5)
        assert getattr(integer, method)(*arguments, **keywords) == result
        assert integer.get() == stored
    assert getattr(make(5), method)(amount=3) == ADDING[method](5, 3)[0]


@both_forms
@pytest.mark.parametrize("method", COMBINING)
def test_combining_returns_the_value_before(make: Make, method: str) -> None:
    keyword, combine = COMBINING[method]
    for value in STORABLE_EDGES:
        for operand in STORABLE_EDGES:
            integer = make(value)
            assert getattr(integer, method)(operand) == value
            assert integer.get() == combine(value, operand)
            assert getattr(integer, method)(**{keyword: operand}) == combine(value, operand)


@both_forms
def test_update_stores_the_result_of_the_function(make: Make) -> None:
    integer = make(5)
    assert integer.update_and_get(lambda value: value * 3) == 15
    assert integer.get_and_update(lambda value: value - 1) == 15
    assert integer.accumulate_and_get(2, lambda value, x: value << x) == 56
    assert integer.get_and_accumulate(6, lambda value, x: value // x) == 56
    assert integer.get() == 9
    assert integer.update_and_get(lambda _: True) == 1


@both_forms
def test_accumulate_passes_any_object_on(make: Make) -> None:
    integer = make(5)
    assert integer.accumulate_and_get("abc", lambda value, text: value + len(text)) == 8
    assert integer.get_and_accumulate(None, lambda value, _: value + 1) == 8


@both_forms
@every_callback
def test_a_function_sees_an_int(make: Make, method: str) -> None:
    seen: list[object] = []
    CALLBACKS[method](make(HIGHEST), lambda value: seen.append(value) or 0)  # type: ignore[func-returns-value]
    assert seen == [HIGHEST]
    assert type(seen[0]) is int


@both_forms
@every_callback
def test_a_function_runs_again_if_the_value_changed_meanwhile(make: Make, method: str) -> None:
    integer = make(1)
    seen: list[int] = []

    def function(value: int) -> int:
        seen.append(value)
        if len(seen) == 1:
            integer.set(100)
        return value + 1

    result = CALLBACKS[method](integer, function)
    assert seen == [1, 100]
    assert integer.get() == 101
    assert result == (100 if method.startswith("get_and") else 101)


@both_forms
@every_callback
def test_a_function_may_update_the_integer_itself(make: Make, method: str) -> None:
    integer = make(0)

    def function(value: int) -> int:
        if value < 20:
            CALLBACKS[method](integer, lambda inner: inner + 5)
        return value + 1

    CALLBACKS[method](integer, function)
    assert integer.get() == 21


@both_forms
@every_callback
def test_an_exception_of_the_function_propagates(make: Make, method: str) -> None:
    class Stop(BaseException):
        pass

    def function(value: int) -> int:
        raise Stop(value)

    integer = make(6)
    with pytest.raises(Stop, match=r"^6$"):
        CALLBACKS[method](integer, function)
    assert integer.get() == 6


@both_forms
@pytest.mark.parametrize("function", [None, 5, "text"])
def test_an_argument_that_is_not_callable_is_refused_and_named(make: Make, function: Any) -> None:
    integer = make(6)
    for call in (
        lambda: integer.update_and_get(function),
        lambda: integer.get_and_update(function),
        lambda: integer.accumulate_and_get(1, function),
        lambda: integer.get_and_accumulate(1, function),
    ):
        with pytest.raises(TypeError) as caught:
            call()
        assert repr(function) in str(caught.value)
    assert integer.get() == 6


@both_forms
@every_integer_argument
@pytest.mark.parametrize("argument", ["6", 6.0, 1.5, b"6", [6], 6j])
def test_an_argument_that_is_not_an_integer_is_refused_and_named(
    make: Make, method: str, argument: object
) -> None:
    integer = make(6)
    with pytest.raises(TypeError) as caught:
        INTEGER_ARGUMENTS[method](integer, argument)
    assert repr(argument) in str(caught.value)
    assert integer.get() == 6


@both_forms
@pytest.mark.parametrize("method", [name for name in INTEGER_ARGUMENTS if name not in ADDING])
def test_none_is_an_integer_only_as_an_amount(make: Make, method: str) -> None:
    integer = make(6)
    with pytest.raises(TypeError, match="None"):
        INTEGER_ARGUMENTS[method](integer, None)
    assert integer.get() == 6


@both_forms
@every_integer_argument
@pytest.mark.parametrize("argument", [2**63, -(2**63) - 1, 2**64, 2**70, -(2**70)])
def test_an_argument_beyond_64_bits_is_refused_and_named(
    make: Make, method: str, argument: int
) -> None:
    integer = make(6)
    with pytest.raises(OverflowError) as caught:
        INTEGER_ARGUMENTS[method](integer, argument)
    assert str(argument) in str(caught.value)
    assert integer.get() == 6


@both_forms
@every_integer_argument
def test_a_number_too_long_to_print_is_refused(make: Make, method: str) -> None:
    integer = make(6)
    with pytest.raises(OverflowError):
        INTEGER_ARGUMENTS[method](integer, 10**10_000)
    assert integer.get() == 6


@both_forms
@every_integer_argument
def test_a_broken_repr_does_not_hide_the_error(make: Make, method: str) -> None:
    class Broken:
        def __repr__(self) -> str:
            raise LookupError

    integer = make(6)
    with pytest.raises(TypeError, match="Broken"):
        INTEGER_ARGUMENTS[method](integer, Broken())
    assert integer.get() == 6


@both_forms
@every_integer_argument
def test_an_integer_argument_may_be_anything_with_index(make: Make, method: str) -> None:
    class Six:
        def __index__(self) -> int:
            return 6

    class Broken:
        def __index__(self) -> int:
            raise LookupError("no index")

    for argument in (Six(), AtomicInt(6), AtomicInt(6).get_handle()):
        with_object, with_int = make(6), make(6)
        result = INTEGER_ARGUMENTS[method](with_object, argument)
        assert result == INTEGER_ARGUMENTS[method](with_int, 6)
        assert with_object.get() == with_int.get()
    integer = make(6)
    with pytest.raises(LookupError, match="no index"):
        INTEGER_ARGUMENTS[method](integer, Broken())
    assert integer.get() == 6


@both_forms
def test_arguments_may_be_given_by_keyword(make: Make) -> None:
    integer = make(1)
    integer.set(3)
    assert integer.compare_and_set(expected=3, updated=4)
    assert integer.compare_and_set(updated=5, expected=4)
    assert integer.compare_and_set(5, updated=6)
    assert integer.compare_and_exchange(expected=6, updated=7) == 6
    assert integer.update_and_get(fn=lambda value: value + 1) == 8
    assert integer.get_and_update(fn=lambda value: value + 1) == 8
    assert integer.accumulate_and_get(x=1, fn=lambda value, x: value + x) == 10
    assert integer.get_and_accumulate(fn=lambda value, x: value + x, x=1) == 10
    assert integer.wait_while(value=10, timeout=None) is True
    assert integer.get() == 11


@both_forms
@pytest.mark.parametrize("method", ["set", "get_and_set"])
def test_the_one_value_is_positional_only(make: Make, method: str) -> None:
    integer: Any = make(1)
    call = getattr(integer, method)
    for keywords in ({"updated": 2}, {"desired": 2}, {"value": 2}):
        with pytest.raises(TypeError, match=rf"{method}\(\) takes no keyword arguments"):
            call(**keywords)
    for arguments in ((), (2, 3)):
        with pytest.raises(TypeError, match=rf"{method}\(\) takes exactly one argument"):
            call(*arguments)
    assert str(inspect.signature(call)) == "(updated, /)"
    assert integer.get() == 1


@both_forms
def test_desired_is_another_keyword_for_updated(make: Make) -> None:
    integer: Any = make(1)
    integer.set(3)
    assert integer.compare_and_set(expected=3, desired=4)
    assert integer.compare_and_set(4, desired=5)
    assert integer.compare_and_exchange(5, desired=6) == 5
    for call in (
        lambda: integer.compare_and_set(6, updated=1, desired=2),
        lambda: integer.compare_and_set(6, 1, desired=2),
        lambda: integer.increment_and_get(desired=2),
        lambda: integer.compare_and_set(desired=2),
    ):
        with pytest.raises(TypeError):
            call()
    assert integer.get() == 6


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
    integer = make(6)
    for method, count in counts.items():
        with pytest.raises(TypeError, match=method):
            getattr(integer, method)(*[6] * count)
    assert integer.get() == 6


@both_forms
def test_an_unknown_keyword_is_a_type_error_that_names_it(make: Make) -> None:
    integer = make(6)
    for method in [*TOO_FEW, *ADDING]:
        named = "keyword" if method in ("set", "get_and_set") else "other"
        with pytest.raises(TypeError, match=named):
            getattr(integer, method)(*[6] * (TOO_FEW.get(method, 0)), other=6)
    assert integer.get() == 6


@both_forms
def test_results_are_plain_ints(make: Make) -> None:
    class MyInt(int):
        pass

    integer = make(6)
    integer.set(MyInt(7))
    assert type(integer.get()) is int
    assert type(integer.get_and_set(MyInt(8))) is int
    assert type(integer.update_and_get(lambda _: MyInt(9))) is int
    assert type(integer.increment_and_get(MyInt(1))) is int
    assert type(integer.compare_and_exchange(MyInt(10), 1)) is int


@both_forms
def test_get_handle_makes_another_handle_of_the_same_integer(make: Make) -> None:
    integer = make(6)
    first, second = integer.get_handle(), integer.get_handle()
    assert type(first) is type(second) is AtomicIntHandle
    assert first is not second
    assert first.get_handle() is not first
    first.set(7)
    assert [integer.get(), second.get(), first.get_handle().get()] == [7, 7, 7]

# SPDX-License-Identifier: Apache-2.0
"""Every operator on a ThreadHandle, on either side, does what it does on the object."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from cereggii_atomicref import ThreadHandle
from hypothesis import example, given
from hypothesis import strategies as st

ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "matmul": operator.matmul,
    "truediv": operator.truediv,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "divmod": divmod,
    "pow": pow,
    "lshift": operator.lshift,
    "rshift": operator.rshift,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
}
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")
}
IN_PLACE: dict[str, Callable[[Any, Any], Any]] = {
    name: getattr(operator, f"i{name}") for name in ARITHMETIC if name != "divmod"
}
UNARY: dict[str, Callable[[Any], Any]] = {
    "neg": operator.neg,
    "pos": operator.pos,
    "abs": abs,
    "invert": operator.invert,
}

SMALL = st.integers(-9, 9)  # a power or a shift of these is quickly computed
NUMBERS: st.SearchStrategy[Any] = (
    SMALL | st.booleans() | st.floats() | st.complex_numbers(max_magnitude=1e3)
)
NUMBERS |= st.fractions(-9, 9, max_denominator=9) | st.decimals(-9, 9, places=2)
TEXTS = st.text(max_size=4) | st.binary(max_size=4)
LISTS = st.lists(SMALL, max_size=4)
CONTAINERS = LISTS | LISTS.map(tuple) | st.sets(SMALL) | st.dictionaries(SMALL, SMALL, max_size=3)
OBJECTS = NUMBERS | TEXTS | CONTAINERS | st.none()


def outcome(call: Callable[..., Any], *arguments: Any) -> tuple[type, str]:
    """The type and the text of what a call gives, or those of what it raises."""
    try:
        result = call(*arguments)
    except Exception as error:
        return type(error), str(error)
    return type(result), repr(result)


def agree(call: Callable[..., Any], *objects: Any) -> None:
    """The call gives the same whichever of its arguments are handles.

    What it raises has the same text, too, as long as the first is one: otherwise the first may have
    been asked, and have looked at the type of the second.
    """
    expected = outcome(call, *objects)
    for handles in range(1, 2 ** len(objects)):
        arguments = [
            ThreadHandle(item) if handles >> position & 1 else item
            for position, item in enumerate(objects)
        ]
        found = outcome(call, *arguments)
        if issubclass(expected[0], Exception) and not handles & 1:
            assert found[0] is expected[0], arguments
        else:
            assert found == expected, arguments


# ── against builtin types ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", [*ARITHMETIC, *COMPARISONS])
@given(left=NUMBERS, right=NUMBERS)
def test_numbers_on_either_side(name: str, left: Any, right: Any) -> None:
    agree({**ARITHMETIC, **COMPARISONS}[name], left, right)


@pytest.mark.parametrize("name", [*ARITHMETIC, *COMPARISONS])
@given(left=OBJECTS, right=OBJECTS)
def test_any_objects_on_either_side(name: str, left: Any, right: Any) -> None:
    operation = {**ARITHMETIC, **COMPARISONS}[name]
    if name == "mod" and isinstance(left, str | bytes):
        return  # formatting looks at the type of what it formats
    if name == "pow" and isinstance(right, float | complex | Fraction | Decimal):
        return
    agree(operation, left, right)


@pytest.mark.parametrize("name", UNARY)
@given(value=OBJECTS)
def test_unary_operators(name: str, value: Any) -> None:
    agree(UNARY[name], value)


@given(base=SMALL, exponent=SMALL, modulus=SMALL)
def test_power_of_three_arguments(base: int, exponent: int, modulus: int) -> None:
    agree(pow, base, exponent, modulus)


@given(value=OBJECTS)
@example(value=math.nan)
def test_hash_and_equality_make_a_handle_as_good_a_key(value: Any) -> None:
    agree(hash, value)
    # A dict finds nan, which does not equal itself, by its identity alone.
    if value.__hash__ is not None and value == value:
        assert {value: 1}[ThreadHandle(value)] == 1
        assert {ThreadHandle(value): 1}[value] == 1


@given(values=st.lists(SMALL))
def test_handles_are_sorted_as_their_objects(values: list[int]) -> None:
    ordered = sorted(ThreadHandle(value) for value in values)
    assert [ThreadHandle.unwrap(handle) for handle in ordered] == sorted(values)


# ── against classes that define operators ──────────────────────────────────────────────────────


def recorder(name: str) -> Callable[..., Any]:
    def method(self: Any, *arguments: Any) -> Any:
        return name, type(self).__name__, [type(argument).__name__ for argument in arguments]

    return method


# A class that has all of the operators, and one that only has the reflected ones.
Left: Any = type("Left", (), {f"__{name}__": recorder(name) for name in (*ARITHMETIC, *UNARY)})
Right: Any = type("Right", (), {f"__r{name}__": recorder(f"r{name}") for name in ARITHMETIC})
Ordered: Any = type("Ordered", (), {f"__{name}__": recorder(name) for name in COMPARISONS})


def agree_on_methods(operation: Callable[..., Any], left: Any, *others: Any) -> None:
    """The methods get what the handles stand for."""
    expected = operation(left, *others)
    assert operation(ThreadHandle(left), *others) == expected
    assert operation(ThreadHandle(left), *map(ThreadHandle, others)) == expected
    if type(left) is int:
        assert operation(left, *map(ThreadHandle, others)) == expected


@pytest.mark.parametrize("name", ARITHMETIC)
def test_methods_of_a_class_get_bare_operands(name: str) -> None:
    operation = ARITHMETIC[name]
    assert operation(ThreadHandle(Left()), ThreadHandle(5)) == (name, "Left", ["int"])
    assert operation(5, ThreadHandle(Right())) == (f"r{name}", "Right", ["int"])
    for left, right in [(Left(), 5), (Left(), Right()), (7, Right()), (Left(), Left())]:
        agree_on_methods(operation, left, right)
    agree_on_methods(pow, Left(), 3, 5)
    with pytest.raises(TypeError):
        operation(ThreadHandle(Right()), object())


@pytest.mark.parametrize("name", ARITHMETIC)
def test_an_object_on_the_left_that_knows_what_to_do_is_asked_first(name: str) -> None:
    assert ARITHMETIC[name](Left(), ThreadHandle(5)) == (name, "Left", ["ThreadHandle"])


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons_give_whatever_the_class_gives(name: str) -> None:
    for left, right in [(Ordered(), 5), (5, Ordered()), (Ordered(), Ordered())]:
        agree_on_methods(COMPARISONS[name], left, right)


@pytest.mark.parametrize("name", UNARY)
def test_unary_methods_of_a_class(name: str) -> None:
    agree(UNARY[name], Left())


def test_an_exception_of_an_operator_propagates() -> None:
    class Broken:
        def __add__(self, other: object) -> int:
            raise LookupError("no sum")

        __radd__ = __iadd__ = __add__

        def __eq__(self, other: object) -> bool:
            raise LookupError("no sum")

        def __hash__(self) -> int:
            raise LookupError("no sum")

        def __bool__(self) -> bool:
            raise LookupError("no sum")

    handle = ThreadHandle(Broken())
    calls: list[Callable[[], Any]] = [
        lambda: handle + 1,
        lambda: 1 + handle,
        lambda: IN_PLACE["add"](handle, 1),
        lambda: handle == 1,
        lambda: hash(handle),
        lambda: bool(handle),
    ]
    for call in calls:
        with pytest.raises(LookupError, match="no sum"):
            call()


# ── in place ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", IN_PLACE)
@given(left=NUMBERS, right=NUMBERS)
def test_in_place_on_an_immutable_object_gives_the_plain_result(
    name: str, left: Any, right: Any
) -> None:
    def compute(a: Any, b: Any) -> Any:
        result = IN_PLACE[name](a, b)
        return ThreadHandle.unwrap(result) if type(result) is ThreadHandle else result

    if name == "pow" and isinstance(right, float | complex | Fraction | Decimal):
        return
    agree(compute, left, right)


def changer(name: str) -> Callable[..., Any]:
    def method(self: Any, *arguments: Any) -> Any:
        self.seen.append((name, *arguments))
        return self

    return method


class Changing:
    """Changes itself in place, and remembers how."""

    def __init__(self) -> None:
        self.seen: list[Any] = []


for _name in IN_PLACE:
    setattr(Changing, f"__i{_name}__", changer(_name))


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_on_an_object_that_changes_itself_gives_the_handle(name: str) -> None:
    changing = Changing()
    handle = ThreadHandle(changing)
    operand = object()
    assert IN_PLACE[name](handle, operand) is handle
    assert IN_PLACE[name](handle, ThreadHandle(operand)) is handle
    assert changing.seen == [(name, operand)] * 2


def test_the_statement_keeps_the_handle_of_a_mutable_object() -> None:
    numbers = [1]
    original: Any = ThreadHandle(numbers)
    handle = original
    handle += [2]
    handle += (3,)
    handle *= 2
    assert handle is original
    assert numbers == [1, 2, 3, 1, 2, 3]
    members = {1, 2, 3, 4}
    handle = original = ThreadHandle(members)
    handle -= {1}
    handle |= {9}
    handle &= {2, 3, 9}
    handle ^= {3}
    assert handle is original
    assert members == {2, 9}


def test_an_in_place_result_that_is_another_object_is_plain() -> None:
    handle: Any = ThreadHandle(1000)
    handle += 1
    assert type(handle) is int
    assert handle == 1001
    handle = ThreadHandle("a")
    handle += "b"
    assert type(handle) is str

    class Replaced:
        def __iadd__(self, other: object) -> object:
            return other

    other = object()
    handle = ThreadHandle(Replaced())
    handle += other
    assert handle is other


def test_an_object_that_is_its_own_result_stays_behind_the_handle() -> None:
    original: Any = ThreadHandle(())
    handle = original
    handle += ()
    assert handle is original


def test_an_in_place_operator_of_another_object_takes_a_handle() -> None:
    members: Any = {1}
    members |= ThreadHandle({2})
    assert members == {1, 2}
    number = 5
    number += ThreadHandle(6)
    assert number == 11


def test_sequence_functions() -> None:
    concat: Callable[[Any, Any], Any] = operator.concat
    concat_in_place: Callable[[Any, Any], Any] = operator.iconcat
    numbers = [1, 2]
    handle: Any = ThreadHandle(numbers)
    assert concat(handle, [3]) == [1, 2, 3]
    assert concat(handle, ThreadHandle([3])) == [1, 2, 3]
    assert concat_in_place(handle, [3]) is handle
    assert numbers == [1, 2, 3]
    with pytest.raises(TypeError):
        concat(handle, 5)

# SPDX-License-Identifier: Apache-2.0
"""Any sequence of operations does what it does to an int of 64 bits, whatever is in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from tools.testing.models import IN_PLACE, ModelInt

from .forms import EDGES, Make, both_forms

Operation: TypeAlias = tuple[str, tuple[Any, ...]]


class MyInt(int):
    pass


class Index:
    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value

    def __repr__(self) -> str:
        return f"Index({self.value})"


numbers = st.sampled_from(EDGES) | st.integers(-(2**65), 2**65)
operands = (
    numbers | st.booleans() | st.builds(MyInt, numbers) | st.builds(Index, numbers)
    | st.sampled_from([None, 1.0, "1", 10**30])
)  # fmt: skip


def method(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Operation]:
    return st.tuples(st.just(name), st.tuples(*arguments))


def fails(*_: object) -> int:
    raise LookupError


functions = st.sampled_from([
    lambda value: value + 1, lambda value: -value, lambda value: value * 2, lambda value: True,
    lambda value: Index(5), lambda value: 2.0, lambda value: 2**63, fails,
])  # fmt: skip
functions_of_two = st.sampled_from([
    max, lambda value, x: value - x, lambda value, x: [x], fails,
])  # fmt: skip

operations = st.one_of(
    method("get"),
    *(method(name, operands) for name in ("set", "get_and_set")),
    *(method(name, operands, operands) for name in ("compare_and_set", "compare_and_exchange")),
    *(
        method(f"{one}{other}", operands)
        for one, other in (
            ("increment", "_and_get"),
            ("decrement", "_and_get"),
            ("get_and_", "increment"),
            ("get_and_", "decrement"),
        )
    ),
    *(method(f"get_and_{name}", operands) for name in ("or", "and", "xor", "max", "min")),
    *(method(name, functions) for name in ("update_and_get", "get_and_update")),
    *(
        method(name, operands, functions_of_two)
        for name in ("accumulate_and_get", "get_and_accumulate")
    ),
    method("in_place", st.sampled_from([*IN_PLACE]), operands),
)


def in_place(integer: Any, symbol: str, operand: Any) -> None:
    assert IN_PLACE[symbol](integer, operand) is integer


def outcome(call: Callable[..., Any], *arguments: Any) -> tuple[type, Any]:
    """The type and the value of what a call returns; or the type of what it raises."""
    try:
        result = call(*arguments)
    except Exception as error:
        return type(error), None
    return type(result), result


@both_forms
@given(st.sampled_from([0, 2**61, 2**63 - 1, -(2**63)]), st.lists(operations, max_size=30))
def test_any_operations_do_what_they_do_to_an_int_of_64_bits(
    make: Make, value: int, program: list[Operation]
) -> None:
    ours, model = make(value), ModelInt(value)
    for name, arguments in program:
        call = (
            outcome(in_place, ours, *arguments)
            if name == "in_place"
            else outcome(getattr(ours, name), *arguments)
        )
        assert call == outcome(getattr(model, name), *arguments), (name, arguments)
        assert ours.get() == model.get(), (name, arguments)

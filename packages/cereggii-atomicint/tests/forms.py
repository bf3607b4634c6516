# SPDX-License-Identifier: Apache-2.0
"""The two forms of an atomic integer, which promise the same, and int as their oracle."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from cereggii_atomicint import AtomicInt, AtomicIntHandle

Integer: TypeAlias = AtomicInt | AtomicIntHandle
Make: TypeAlias = Callable[[int], Integer]

LOWEST = -(2**63)
HIGHEST = 2**63 - 1


def handle_of(value: int) -> AtomicIntHandle:
    return AtomicInt(value).get_handle()


# Runs a test with `make`, which makes an AtomicInt or a handle with the given value.
both_forms = pytest.mark.parametrize("make", [AtomicInt, handle_of], ids=["int", "handle"])

# Where an implementation may change its ways: signs, the widths it adds with, the ends of 64 bits.
EDGES = sorted(
    {
        sign * (2**bits + offset)
        for bits in (32, 61, 62, 63)
        for offset in (-1, 0, 1)
        for sign in (1, -1)
    }
    | {-7, -2, -1, 0, 1, 2, 3, 64}
)
STORABLE_EDGES = [edge for edge in EDGES if LOWEST <= edge <= HIGHEST]

# The operators for which a large right-hand side makes a result that fills the memory.
EXPLOSIVE = ("<<", "**")
EXPLOSIVE_LIMIT = 70

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "<<": operator.lshift,
    ">>": operator.rshift,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "@": operator.matmul,
    "divmod": divmod,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

UNARY: dict[str, Callable[[Any], Any]] = {
    "-": operator.neg,
    "+": operator.pos,
    "~": operator.invert,
    "abs": abs,
}

# In place: the operator on an atomic, and the operator on int that it has to agree with.
IN_PLACE: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "+": (operator.iadd, operator.add),
    "-": (operator.isub, operator.sub),
    "*": (operator.imul, operator.mul),
    "//": (operator.ifloordiv, operator.floordiv),
    "%": (operator.imod, operator.mod),
    "**": (operator.ipow, operator.pow),
    "<<": (operator.ilshift, operator.lshift),
    ">>": (operator.irshift, operator.rshift),
    "&": (operator.iand, operator.and_),
    "|": (operator.ior, operator.or_),
    "^": (operator.ixor, operator.xor),
}


def outcome(call: Callable[..., Any], *arguments: Any) -> tuple[type, str]:
    """The type and the text of what a call returns, or the type of what it raises.

    The text and not the value: it tells NaN, the sign of 0.0 and True from 1.
    """
    try:
        result = call(*arguments)
    except Exception as error:
        return type(error), ""
    return type(result), repr(result)

# SPDX-License-Identifier: Apache-2.0
"""The two forms of an atomic float, which promise the same, and float as their oracle."""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from cereggii_atomicfloat import AtomicFloat, AtomicFloatHandle

Number: TypeAlias = AtomicFloat | AtomicFloatHandle
Make: TypeAlias = Callable[[float], Number]


def handle_of(value: float) -> AtomicFloatHandle:
    return AtomicFloat(value).get_handle()


# Runs a test with `make`, which makes an AtomicFloat or a handle with the given value.
both_forms = pytest.mark.parametrize("make", [AtomicFloat, handle_of], ids=["float", "handle"])

MAX = 1.7976931348623157e308
TINY = 5e-324  # the smallest float above 0
NAN = math.nan
INF = math.inf
EDGES = [
    sign * value
    for value in (0.0, 1.0, 0.1, 1.5, 2.0, 3.0, 2.0**53, 1e300, MAX, 2.0**-1022, TINY, INF)
    for sign in (1, -1)
]  # fmt: skip
EDGES.append(NAN)
# Every pattern of 64 bits is a value, and is kept as it is: these are NaNs.
PAYLOADS: list[float] = [
    struct.unpack("<d", struct.pack("<Q", bits))[0]
    for bits in (0x7FF8_0000_0000_0001, 0xFFF8_0000_0000_0000, 0xFFFF_FFFF_FFFF_FFFF)
]


def bits(value: float) -> int:
    """The bits of a float: they tell -0.0 from 0.0 and one NaN from another."""
    return int(struct.unpack("<Q", struct.pack("<d", value))[0])


def matches(found: float, expected: float) -> bool:
    """Whether a stored value is the expected one."""
    return found == expected or (math.isnan(found) and math.isnan(expected))


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "@": operator.matmul,
    "<<": operator.lshift,
    "&": operator.and_,
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

# In place: the operator on an atomic, and the operator on float that it has to agree with.
IN_PLACE: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "+": (operator.iadd, operator.add),
    "-": (operator.isub, operator.sub),
    "*": (operator.imul, operator.mul),
    "/": (operator.itruediv, operator.truediv),
    "//": (operator.ifloordiv, operator.floordiv),
    "%": (operator.imod, operator.mod),
    "**": (operator.ipow, operator.pow),
}
REFUSED: dict[str, Callable[[Any, Any], Any]] = {
    "@": operator.imatmul,
    "<<": operator.ilshift,
    ">>": operator.irshift,
    "&": operator.iand,
    "|": operator.ior,
    "^": operator.ixor,
}


def outcome(call: Callable[..., Any], *arguments: Any) -> tuple[type, str]:
    """The type and the text of what a call returns or raises.

    The text and not the value: it tells the sign of 0.0, and NaN is equal to itself.
    """
    try:
        result = call(*arguments)
    except (ZeroDivisionError, OverflowError) as error:
        return type(error), str(error)
    except Exception as error:
        return type(error), ""
    return type(result), repr(result)

# SPDX-License-Identifier: Apache-2.0
"""What a step is, and the arguments that steps take: JSON, and what it stands for."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any, NamedTuple

from tools.testing.models import ANY, IN_PLACE, NOT_FOUND, PLAIN


class Step(NamedTuple):
    """What a step does, and the kinds of its arguments. It may do so beside other threads."""

    function: Callable[..., Any]
    arguments: tuple[str, ...] = ()
    is_atomic: bool = True  # one linearizable step: it may be in a history of several threads


class FuzzError(Exception):
    """Raised by functions and iterables of a program."""


class Collider:
    """A key that has the hash of each other one, and whose __eq__ is Python code."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __hash__(self) -> int:
        return 7

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Collider) and self.number == other.number

    def __repr__(self) -> str:
        return f"Collider({self.number})"


class Index:
    """An integer by __index__ alone."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


# ── JSON, and what it stands for ────────────────────────────────────────────────────

SCALARS: list[Any] = [0, 1, 2, 3, -1, -2, True, "", "a", "ab", 2**61 - 1, 2**64, None, 1.0, 0.5]
VALUES: list[Any] = [0, 1, 2, "x", "y", None, 2**70]
EDGES: list[int] = sorted(
    sign * 2**power + beside
    for sign, power, beside in itertools.product((1, -1), (0, 4, 32, 61, 62, 63, 64), (-1, 0, 1))
)
# As texts: JSON has no name for some of them.
FLOATS = ["0.0", "-0.0", "0.1", "1.5", "-3.0", "1e308", "-1e308", "5e-324", "inf", "-inf", "nan"]
_OBJECTS: dict[str, Callable[[Any], Any]] = {
    "collider": Collider, "float": float, "index": Index, "tuple": tuple,
}  # fmt: skip


def draw(kind: str, choose: random.Random) -> Any:
    """An argument of this kind, as JSON."""
    if kind == "key":
        if choose.random() < 0.3:
            return {"collider": choose.randrange(3)}
        return {"tuple": [1, "a"]} if choose.random() < 0.05 else choose.choice(SCALARS)
    if kind == "value":
        return choose.choice(VALUES)
    if kind == "expected":
        return choose.choice([*VALUES, NOT_FOUND, ANY])
    if kind == "edge":
        number = choose.choice(EDGES)
        return {"index": number} if choose.random() < 0.1 else choose.choice([number, number, None])
    if kind == "float":
        return choose.choice([{"float": choose.choice(FLOATS)}, choose.choice([1, -2, None])])
    if kind == "tiny":
        return choose.choice([0, 1, 2, 3, -1, 63, 64])
    if kind == "first":
        return choose.choice([0, 0, 1000, 2**40])
    if kind == "many":
        return choose.choice([1, 5, 40, 300, 1500])
    if kind == "count":
        return choose.choice([1, 1, 2, 5, -1, 0])
    if kind == "op":
        return choose.choice([*PLAIN])
    if kind == "op=":
        return choose.choice([*IN_PLACE])
    raise KeyError(kind)


def build(argument: Any) -> Any:
    """What an argument stands for."""
    if isinstance(argument, dict):
        ((name, value),) = argument.items()
        return _OBJECTS[name](value)
    return argument

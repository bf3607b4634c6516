# SPDX-License-Identifier: Apache-2.0
"""The two forms of an atomic reference, which promise the same, and which objects match."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from cereggii_atomicref import AtomicRef, AtomicRefHandle

Reference: TypeAlias = AtomicRef[Any] | AtomicRefHandle[Any]
Make: TypeAlias = Callable[[Any], Reference]


def ref_of(value: Any) -> AtomicRef[Any]:
    return AtomicRef(value)


def handle_of(value: Any) -> AtomicRefHandle[Any]:
    return AtomicRef(value).get_handle()


# Runs a test with `make`, which makes an AtomicRef or a handle with the given object.
both_forms = pytest.mark.parametrize("make", [ref_of, handle_of], ids=["ref", "handle"])

# The shared reference, or a handle of it, for the thread of this number.
Access: TypeAlias = Callable[[AtomicRef[Any], int], Reference]
ACCESS: dict[str, Access] = {
    "ref": lambda ref, _: ref,
    "handles": lambda ref, _: ref.get_handle(),
    "both": lambda ref, number: ref if number % 2 else ref.get_handle(),
}
every_access = pytest.mark.parametrize("access", ACCESS.values(), ids=ACCESS)


class Thing:
    """An object that only matches itself, and that can be referred to weakly."""


class EqualToAll:
    """An object that claims to equal everything."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True


class NeverCompared:
    """An object that must not be compared."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise AssertionError("compared")


def without_init(kind: Any) -> Any:
    """An instance whose __init__ has not run."""
    return kind.__new__(kind)


_numbers = itertools.count(10**15)


def new_number() -> int:
    """An int that no cache holds, and no other call returns."""
    return next(_numbers)

# SPDX-License-Identifier: Apache-2.0
"""The two forms of an atomic dictionary, which promise the same, and objects to put into them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from cereggii_atomicdict import AtomicDict, AtomicDictHandle

Make: TypeAlias = Callable[..., Any]


def dict_of(*arguments: Any, **keywords: Any) -> AtomicDict[Any, Any]:
    return AtomicDict(*arguments, **keywords)


def handle_of(*arguments: Any, **keywords: Any) -> AtomicDictHandle[Any, Any]:
    return AtomicDict(*arguments, **keywords).get_handle()


# Runs a test with `make`, which makes an AtomicDict or a handle with the given contents.
both_forms = pytest.mark.parametrize("make", [dict_of, handle_of], ids=["dict", "handle"])


class Thing:
    """An object that only equals itself, and that can be referred to weakly."""


class Collider:
    """Equal to others of its name; but all of them have one hash, which is that of 7."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Collider({self.name!r})"

    def __hash__(self) -> int:
        return 7

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Collider) and other.name == self.name


class RefusalError(Exception):
    """Raised by the objects below."""


class BadHash:
    def __hash__(self) -> int:
        raise RefusalError("hash")


class BadEq:
    """Cannot be compared with anything else of its hash, which is that of 7."""

    def __hash__(self) -> int:
        return 7

    def __eq__(self, other: object) -> bool:
        raise RefusalError("eq")


class BadRepr:
    def __repr__(self) -> str:
        raise RefusalError("repr")


def contents(mapping: Any) -> dict[Any, Any]:
    """The items of a mapping, read one key after the other; no key may come twice."""
    found: dict[Any, Any] = {}
    for key in mapping:
        assert key not in found
        found[key] = mapping[key]
    assert len(mapping) == len(found)
    return found


def outcome(operation: Callable[[Any], Any], mapping: Any) -> Any:
    """The result or the exception of an operation, in a form that can be compared."""
    try:
        result = operation(mapping)
    except Exception as error:
        return type(error), error.args
    return contents(result) if isinstance(result, (AtomicDict, AtomicDictHandle)) else result


def without_init(kind: Any) -> Any:
    """An instance whose __init__ has not run."""
    return kind.__new__(kind)

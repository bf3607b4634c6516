# SPDX-License-Identifier: Apache-2.0
"""The types of this package that hold an object, and how each is made, read and written."""

from __future__ import annotations

from typing import Any

import pytest
from cereggii_atomicref import AtomicRef, AtomicRefHandle, AtomicStampedRef

ATOMICS: list[Any] = [AtomicRef, AtomicStampedRef]
TYPES: list[Any] = [AtomicRef, AtomicRefHandle, AtomicStampedRef]

every_atomic = pytest.mark.parametrize("atomic", ATOMICS)
every_type = pytest.mark.parametrize("kind", TYPES)


def new(kind: type[Any], value: object = 5) -> Any:
    """An instance of any of the types, which holds the value."""
    if kind is AtomicRefHandle:
        return AtomicRef(value).get_handle()
    return kind(value)


def argument_of(kind: type[Any], value: object = 5) -> Any:
    """The argument of the constructor for an instance that holds the value."""
    return AtomicRef(value) if issubclass(kind, AtomicRefHandle) else value


def held(instance: Any) -> Any:
    found = instance.get()
    return found[0] if isinstance(instance, AtomicStampedRef) else found


def put(instance: Any, value: object) -> None:
    if isinstance(instance, AtomicStampedRef):
        instance.set(value, instance.get()[1])
    else:
        instance.set(value)

# SPDX-License-Identifier: Apache-2.0
"""CPython's tests of mappings, with the types that they are to test."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cereggii import AtomicDict, AtomicDictHandle

_mapping_tests: Any = import_module("test.mapping_tests")


class Subclass(AtomicDict[Any, Any]):
    """A subclass without anything of its own."""


class Handle(AtomicDictHandle[Any, Any]):
    """A handle that makes the dict that it is a handle of."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        return AtomicDict(*args, **kwargs).get_handle()


class TestAtomicDict(_mapping_tests.TestHashMappingProtocol):  # type: ignore[misc]
    """Of the type itself."""

    type2test = AtomicDict


class TestSubclass(_mapping_tests.TestHashMappingProtocol):  # type: ignore[misc]
    """Of a subclass."""

    type2test = Subclass


class TestHandle(_mapping_tests.TestHashMappingProtocol):  # type: ignore[misc]
    """Of a handle."""

    type2test = Handle

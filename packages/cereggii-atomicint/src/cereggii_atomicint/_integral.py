# SPDX-License-Identifier: Apache-2.0
"""Methods of AtomicInt and its handle, as of int, that are written in Python."""

from __future__ import annotations

from typing import Any

from cereggii_atomicint._atomicint import AtomicInt, AtomicIntHandle
from cereggii_atomicint._numbers import array_ufunc


def from_bytes(cls: Any, bytes: Any, byteorder: Any = "big", *, signed: Any = False) -> Any:  # noqa: A002
    """An AtomicInt with the value that int.from_bytes returns; OverflowError beyond 64 bits."""
    if issubclass(cls, AtomicIntHandle):
        cls = AtomicInt
    return cls(int.from_bytes(bytes, byteorder, signed=signed))


INTEGRAL = {
    "from_bytes": classmethod(from_bytes),
    "__array_ufunc__": array_ufunc(int, AtomicInt, AtomicIntHandle),
}

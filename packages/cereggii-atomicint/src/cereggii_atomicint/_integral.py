# SPDX-License-Identifier: Apache-2.0
"""Methods of AtomicInt and its handle, as of int, that are written in Python."""

from __future__ import annotations

from typing import Any

from cereggii_atomicint._atomicint import AtomicInt, AtomicIntHandle


def from_bytes(cls: Any, bytes: Any, byteorder: Any = "big", *, signed: Any = False) -> Any:  # noqa: A002
    """An AtomicInt with the value that int.from_bytes returns; OverflowError beyond 64 bits."""
    if issubclass(cls, AtomicIntHandle):
        cls = AtomicInt
    return cls(int.from_bytes(bytes, byteorder, signed=signed))


def __array_ufunc__(  # noqa: N807
    _self: Any, ufunc: Any, method: str, *inputs: Any, **keywords: Any
) -> Any:
    """Give numpy's functions the current value, a plain int, so that results keep their dtype."""
    atomics = (AtomicInt, AtomicIntHandle)
    if any(isinstance(each, atomics) for each in keywords.get("out", ())):
        return NotImplemented

    def value(x: Any) -> Any:
        return int(x) if isinstance(x, atomics) else x

    named = {name: value(x) for name, x in keywords.items()}
    return getattr(ufunc, method)(*map(value, inputs), **named)


INTEGRAL = {"from_bytes": classmethod(from_bytes), "__array_ufunc__": __array_ufunc__}

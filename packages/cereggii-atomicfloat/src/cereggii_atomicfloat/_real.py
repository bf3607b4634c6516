# SPDX-License-Identifier: Apache-2.0
"""Methods of AtomicFloat and its handle, as of float, that are written in Python."""

from __future__ import annotations

from typing import Any

from cereggii_atomicfloat._atomicfloat import AtomicFloat, AtomicFloatHandle
from cereggii_atomicfloat._numbers import array_ufunc


def _atomic(cls: Any) -> Any:
    return AtomicFloat if issubclass(cls, AtomicFloatHandle) else cls


def fromhex(cls: Any, string: Any, /) -> Any:
    """An AtomicFloat with the value that float.fromhex returns."""
    return _atomic(cls)(float.fromhex(string))


def from_number(cls: Any, number: Any, /) -> Any:
    """An AtomicFloat with the value of a real number, as float.from_number of Python 3.14."""
    return _atomic(cls)(number)


def __getformat__(_cls: Any, typestr: Any, /) -> Any:  # noqa: N807
    """float.__getformat__: the values are floats."""
    kind: Any = float  # type checkers do not know the method
    return kind.__getformat__(typestr)


REAL = {
    "fromhex": classmethod(fromhex),
    "from_number": classmethod(from_number),
    "__getformat__": classmethod(__getformat__),
    "__array_ufunc__": array_ufunc(float, AtomicFloat, AtomicFloatHandle),
}

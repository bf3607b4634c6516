# SPDX-License-Identifier: Apache-2.0
"""Atomic floats and striped sums for free-threaded Python."""

from numbers import Real

from cereggii_atomicfloat._atomicfloat import (
    AtomicFloat,
    AtomicFloatHandle,
    AtomicFloatSum,
    AtomicFloatSumHandle,
    _finish_type,
)
from cereggii_atomicfloat._copying import copying, copying_of_handle
from cereggii_atomicfloat._pydantic import float64, schema_of
from cereggii_atomicfloat._real import REAL

__all__ = ["AtomicFloat", "AtomicFloatHandle", "AtomicFloatSum", "AtomicFloatSumHandle"]

_float = {"__get_pydantic_core_schema__": schema_of(float64)}
_finish_type(AtomicFloat, {**copying(AtomicFloat), **REAL, **_float})
_finish_type(AtomicFloatHandle, {**copying_of_handle(AtomicFloatHandle), **REAL})
_finish_type(AtomicFloatSum, {**copying(AtomicFloatSum), **_float})
_finish_type(AtomicFloatSumHandle, copying_of_handle(AtomicFloatSumHandle))
for _number in (AtomicFloat, AtomicFloatHandle):
    Real.register(_number)

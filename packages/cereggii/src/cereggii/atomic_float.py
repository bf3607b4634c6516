# SPDX-License-Identifier: Apache-2.0
"""AtomicFloat, AtomicFloatSum and their handles, from `cereggii-atomicfloat`."""

from cereggii_atomicfloat import (
    AtomicFloat,
    AtomicFloatHandle,
    AtomicFloatSum,
    AtomicFloatSumHandle,
)

__all__ = ["AtomicFloat", "AtomicFloatHandle", "AtomicFloatSum", "AtomicFloatSumHandle"]

# SPDX-License-Identifier: Apache-2.0
"""Atomic integers and striped counters for free-threaded Python."""

from cereggii_atomicint._atomicint import (
    AtomicCounter,
    AtomicCounterHandle,
    AtomicInt,
    AtomicIntHandle,
)
from cereggii_atomicint._copying import make_copyable, make_handle_copyable

__all__ = ["AtomicCounter", "AtomicCounterHandle", "AtomicInt", "AtomicIntHandle"]

for _atomic in (AtomicInt, AtomicCounter):
    make_copyable(_atomic)
for _handle in (AtomicIntHandle, AtomicCounterHandle):
    make_handle_copyable(_handle)

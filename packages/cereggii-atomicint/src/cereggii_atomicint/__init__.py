# SPDX-License-Identifier: Apache-2.0
"""Atomic integers, striped counters and events for free-threaded Python."""

from cereggii_atomicint._atomicint import (
    AtomicCounter,
    AtomicCounterHandle,
    AtomicEvent,
    AtomicInt,
    AtomicIntHandle,
    _finish_type,
)
from cereggii_atomicint._copying import copying, copying_of_handle

__all__ = ["AtomicCounter", "AtomicCounterHandle", "AtomicEvent", "AtomicInt", "AtomicIntHandle"]

for _atomic in (AtomicInt, AtomicCounter, AtomicEvent):
    _finish_type(_atomic, copying(_atomic))
for _handle in (AtomicIntHandle, AtomicCounterHandle):
    _finish_type(_handle, copying_of_handle(_handle))

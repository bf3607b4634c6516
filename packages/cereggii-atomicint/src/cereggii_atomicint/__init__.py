# SPDX-License-Identifier: Apache-2.0
"""Atomic integers, striped counters and events for free-threaded Python."""

from cereggii_atomicint._atomicint import (
    AtomicCounter,
    AtomicCounterHandle,
    AtomicEvent,
    AtomicInt,
    AtomicIntHandle,
)
from cereggii_atomicint._copying import make_copyable, make_handle_copyable

__all__ = ["AtomicCounter", "AtomicCounterHandle", "AtomicEvent", "AtomicInt", "AtomicIntHandle"]

for _atomic in (AtomicInt, AtomicCounter, AtomicEvent):
    make_copyable(_atomic)
for _handle in (AtomicIntHandle, AtomicCounterHandle):
    make_handle_copyable(_handle)

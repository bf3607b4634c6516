# SPDX-License-Identifier: Apache-2.0
"""Atomic integers, striped counters and events for free-threaded Python."""

from numbers import Integral

from cereggii_atomicint._atomicint import (
    AtomicCounter,
    AtomicCounterHandle,
    AtomicEvent,
    AtomicInt,
    AtomicIntHandle,
    _finish_type,
)
from cereggii_atomicint._copying import copying, copying_of_handle
from cereggii_atomicint._integral import INTEGRAL

__all__ = ["AtomicCounter", "AtomicCounterHandle", "AtomicEvent", "AtomicInt", "AtomicIntHandle"]

_finish_type(AtomicInt, {**copying(AtomicInt), **INTEGRAL})
_finish_type(AtomicIntHandle, {**copying_of_handle(AtomicIntHandle), **INTEGRAL})
_finish_type(AtomicCounter, copying(AtomicCounter))
_finish_type(AtomicCounterHandle, copying_of_handle(AtomicCounterHandle))
_finish_type(AtomicEvent, copying(AtomicEvent))
for _integer in (AtomicInt, AtomicIntHandle):
    Integral.register(_integer)

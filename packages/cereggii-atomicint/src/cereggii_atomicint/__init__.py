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
from cereggii_atomicint._pydantic import boolean, int64, schema_of

__all__ = ["AtomicCounter", "AtomicCounterHandle", "AtomicEvent", "AtomicInt", "AtomicIntHandle"]

_int = {"__get_pydantic_core_schema__": schema_of(int64)}
_flag = {"__get_pydantic_core_schema__": schema_of(boolean, AtomicEvent.is_set)}
_finish_type(AtomicInt, {**copying(AtomicInt), **INTEGRAL, **_int})
_finish_type(AtomicIntHandle, {**copying_of_handle(AtomicIntHandle), **INTEGRAL})
_finish_type(AtomicCounter, {**copying(AtomicCounter), **_int})
_finish_type(AtomicCounterHandle, copying_of_handle(AtomicCounterHandle))
_finish_type(AtomicEvent, {**copying(AtomicEvent), **_flag})
for _integer in (AtomicInt, AtomicIntHandle):
    Integral.register(_integer)

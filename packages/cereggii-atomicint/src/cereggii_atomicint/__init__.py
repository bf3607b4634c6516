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
from cereggii_atomicint._pydantic import boolean, int64, schema_of

__all__ = ["AtomicCounter", "AtomicCounterHandle", "AtomicEvent", "AtomicInt", "AtomicIntHandle"]

for _atomic in (AtomicInt, AtomicCounter):
    _schema = schema_of(int64)
    _finish_type(_atomic, {**copying(_atomic), "__get_pydantic_core_schema__": _schema})
_schema = schema_of(boolean, AtomicEvent.is_set)
_finish_type(AtomicEvent, {**copying(AtomicEvent), "__get_pydantic_core_schema__": _schema})
for _handle in (AtomicIntHandle, AtomicCounterHandle):
    _finish_type(_handle, copying_of_handle(_handle))

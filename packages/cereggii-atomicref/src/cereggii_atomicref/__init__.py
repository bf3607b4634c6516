# SPDX-License-Identifier: Apache-2.0
"""Atomic references and thread-local handles for free-threaded Python."""

from cereggii_atomicref._atomicref import (
    AtomicRef,
    AtomicRefHandle,
    AtomicStampedRef,
    ThreadHandle,
    _finish_type,
)
from cereggii_atomicref._copying import copying_of_container, copying_of_handle
from cereggii_atomicref._pydantic import int64, schema_of

# AtomicBool and its handle are public in cereggii. It adds methods that raise an exception of
# AtomicDict.
__all__ = ["AtomicRef", "AtomicRefHandle", "AtomicStampedRef", "ThreadHandle"]

_copying = copying_of_container(AtomicRef, AtomicRef.set)
_copying["__get_pydantic_core_schema__"] = schema_of(
    lambda _core_schema, generate, value, *_: generate(value)
)
_finish_type(AtomicRef, _copying)
_copying = copying_of_container(AtomicStampedRef, AtomicStampedRef.set)
_copying["__get_pydantic_core_schema__"] = schema_of(
    lambda core_schema, generate, value, *_: core_schema.tuple_schema(
        [generate(value), int64(core_schema)]
    ),
    make=lambda cls, pair: cls(*pair),
)
_finish_type(AtomicStampedRef, _copying)
_finish_type(AtomicRefHandle, copying_of_handle(AtomicRefHandle))

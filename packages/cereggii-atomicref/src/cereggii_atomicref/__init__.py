# SPDX-License-Identifier: Apache-2.0
"""Atomic references and thread-local handles for free-threaded Python."""

from cereggii_atomicref._atomicref import (
    AtomicBool,
    AtomicBoolHandle,
    AtomicRef,
    AtomicRefHandle,
    AtomicStampedRef,
    ThreadHandle,
)
from cereggii_atomicref._copying import (
    make_container_copyable,
    make_copyable,
    make_handle_copyable,
)

# AtomicBool and its handle are public in cereggii, which adds methods that raise its exceptions.
__all__ = ["AtomicRef", "AtomicRefHandle", "AtomicStampedRef", "ThreadHandle"]

for _atomic in (AtomicRef, AtomicStampedRef):
    make_container_copyable(_atomic, _atomic.set)
make_copyable(AtomicBool)
for _handle in (AtomicRefHandle, AtomicBoolHandle):
    make_handle_copyable(_handle)

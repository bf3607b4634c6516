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

# AtomicBool and its handle are public in cereggii, which adds methods that raise exceptions of
# AtomicDict.
__all__ = ["AtomicRef", "AtomicRefHandle", "AtomicStampedRef", "ThreadHandle"]

for _atomic in (AtomicRef, AtomicStampedRef):
    _finish_type(_atomic, copying_of_container(_atomic, _atomic.set))
_finish_type(AtomicRefHandle, copying_of_handle(AtomicRefHandle))

# SPDX-License-Identifier: Apache-2.0
"""Atomic integers and striped counters for free-threaded Python."""

from cereggii_atomicint._atomicint import (
    AtomicCounter,
    AtomicCounterHandle,
    AtomicInt,
    AtomicIntHandle,
)

__all__ = ["AtomicCounter", "AtomicCounterHandle", "AtomicInt", "AtomicIntHandle"]

# SPDX-License-Identifier: Apache-2.0
"""Integers that are shared by threads, from `cereggii-atomicint`."""

from cereggii_atomicint import AtomicCounter, AtomicCounterHandle, AtomicInt, AtomicIntHandle

AtomicInt64 = AtomicInt

__all__ = ["AtomicCounter", "AtomicCounterHandle", "AtomicInt", "AtomicInt64", "AtomicIntHandle"]

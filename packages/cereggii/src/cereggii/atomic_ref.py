# SPDX-License-Identifier: Apache-2.0
"""References that are shared by threads, from `cereggii-atomicref`."""

from cereggii_atomicref import AtomicRef, AtomicRefHandle, AtomicStampedRef

__all__ = ["AtomicRef", "AtomicRefHandle", "AtomicStampedRef"]

# SPDX-License-Identifier: Apache-2.0
"""Sets that are shared by threads, from `cereggii-atomicdict`."""

from cereggii_atomicdict import AtomicSet, AtomicSetHandle

__all__ = ["AtomicSet", "AtomicSetHandle"]

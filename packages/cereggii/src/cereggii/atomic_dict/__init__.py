# SPDX-License-Identifier: Apache-2.0
"""Dictionaries that are shared by threads, from `cereggii-atomicdict`, and what is made of them."""

from cereggii_atomicdict import AtomicDict, AtomicDictHandle

__all__ = ["AtomicDict", "AtomicDictHandle"]

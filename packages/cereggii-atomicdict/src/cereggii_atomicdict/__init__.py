# SPDX-License-Identifier: Apache-2.0
"""A lock-free dictionary for free-threaded Python."""

from collections.abc import MutableMapping

from cereggii_atomicdict._atomicdict import (
    ANY,
    EXPECTATION_FAILED,
    NOT_FOUND,
    AtomicDict,
    AtomicDictHandle,
    ConcurrentUsageDetected,
    ExpectationFailed,
    _items_at_one_instant,
)
from cereggii_atomicdict._copying import make_container_copyable, make_handle_copyable
from cereggii_atomicdict._views import add_views

__all__ = [
    "ANY",
    "EXPECTATION_FAILED",
    "NOT_FOUND",
    "AtomicDict",
    "AtomicDictHandle",
    "ConcurrentUsageDetected",
    "ExpectationFailed",
]

make_container_copyable(AtomicDict, AtomicDict.update, items=_items_at_one_instant)
make_handle_copyable(AtomicDictHandle)
for _mapping in (AtomicDict, AtomicDictHandle):
    add_views(_mapping)
    MutableMapping.register(_mapping)

# SPDX-License-Identifier: Apache-2.0
"""A concurrent dict and a concurrent set for free-threaded Python."""

from collections.abc import MutableMapping, MutableSet

from cereggii_atomicdict._atomicdict import (
    ANY,
    EXPECTATION_FAILED,
    NOT_FOUND,
    AtomicDict,
    AtomicDictHandle,
    AtomicSet,
    AtomicSetHandle,
    ConcurrentUsageDetected,
    ExpectationFailed,
    _finish_type,
    _items_at_one_instant,
)
from cereggii_atomicdict._atomicdict import AtomicDictIterator as AtomicDictIterator
from cereggii_atomicdict._atomicdict import AtomicSetIterator as AtomicSetIterator
from cereggii_atomicdict._atomicdict import Sentinel as Sentinel
from cereggii_atomicdict._copying import copying_of_container, copying_of_handle
from cereggii_atomicdict._pydantic import mapping, schema_of, set_of
from cereggii_atomicdict._views import AtomicDictItems as AtomicDictItems
from cereggii_atomicdict._views import AtomicDictKeys as AtomicDictKeys
from cereggii_atomicdict._views import AtomicDictValues as AtomicDictValues
from cereggii_atomicdict._views import views_of

# Not in __all__: types that have a name here, but whose instances users do not make.
__all__ = [
    "ANY",
    "EXPECTATION_FAILED",
    "NOT_FOUND",
    "AtomicDict",
    "AtomicDictHandle",
    "AtomicSet",
    "AtomicSetHandle",
    "ConcurrentUsageDetected",
    "ExpectationFailed",
]

_copying = copying_of_container(AtomicDict, AtomicDict.update, items=_items_at_one_instant)
_copying["__get_pydantic_core_schema__"] = schema_of(mapping, lambda x: x.snapshot())
_finish_type(AtomicDict, {**views_of(AtomicDict), **_copying})
_finish_type(
    AtomicDictHandle, {**views_of(AtomicDictHandle), **copying_of_handle(AtomicDictHandle)}
)
_copying = copying_of_container(AtomicSet, AtomicSet.update, elements=_items_at_one_instant)
_copying["__get_pydantic_core_schema__"] = schema_of(set_of, lambda x: {*x.snapshot()})
_finish_type(AtomicSet, _copying)
_finish_type(AtomicSetHandle, copying_of_handle(AtomicSetHandle))
for _mapping in (AtomicDict, AtomicDictHandle):
    MutableMapping.register(_mapping)
for _set in (AtomicSet, AtomicSetHandle):
    MutableSet.register(_set)

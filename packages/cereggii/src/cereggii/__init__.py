# SPDX-License-Identifier: Apache-2.0
"""Atomic data types for free-threaded Python, and what is made of them.

From `cereggii-atomicint`, `cereggii-atomicfloat`, `cereggii-atomicref` and `cereggii-atomicdict`,
which can be installed one by one: AtomicInt, AtomicCounter, AtomicFloat, AtomicFloatSum, AtomicRef,
AtomicStampedRef, AtomicDict, AtomicSet, and their handles. From this package, which depends on the
four: AtomicBool, AtomicEvent, CountDownLatch, call_once, once_property, ReadersWriterLock,
AtomicCache, AtomicKeyedCounter, ThreadSet and to_builtin.

`python -m cereggii` tells whether it works here, and how fast.
"""

from cereggii.__about__ import __license__ as __license__
from cereggii.__about__ import __version__ as __version__
from cereggii.__about__ import __version_tuple__ as __version_tuple__
from cereggii.atomic_bool import AtomicBool, AtomicBoolHandle
from cereggii.atomic_dict import AtomicDict, AtomicDictHandle
from cereggii.atomic_dict.atomic_cache import AtomicCache
from cereggii.atomic_dict.atomic_keyed_counter import AtomicKeyedCounter, AtomicKeyedCounterHandle
from cereggii.atomic_event import AtomicEvent
from cereggii.atomic_float import (
    AtomicFloat,
    AtomicFloatHandle,
    AtomicFloatSum,
    AtomicFloatSumHandle,
)
from cereggii.atomic_int import (
    AtomicCounter,
    AtomicCounterHandle,
    AtomicInt,
    AtomicInt64,
    AtomicIntHandle,
)
from cereggii.atomic_ref import AtomicRef, AtomicRefHandle, AtomicStampedRef
from cereggii.atomic_set import AtomicSet, AtomicSetHandle
from cereggii.constants import (
    ANY,
    EXPECTATION_FAILED,
    NOT_FOUND,
    ConcurrentUsageDetected,
    ExpectationFailed,
)
from cereggii.count_down_latch import CountDownLatch
from cereggii.interop import to_builtin
from cereggii.locks import ReadersWriterLock
from cereggii.misc import call_once
from cereggii.properties import once_property
from cereggii.thread_handle import ThreadHandle
from cereggii.thread_set import ThreadSet

__all__ = [
    "ANY",
    "EXPECTATION_FAILED",
    "NOT_FOUND",
    "AtomicBool",
    "AtomicBoolHandle",
    "AtomicCache",
    "AtomicCounter",
    "AtomicCounterHandle",
    "AtomicDict",
    "AtomicDictHandle",
    "AtomicEvent",
    "AtomicFloat",
    "AtomicFloatHandle",
    "AtomicFloatSum",
    "AtomicFloatSumHandle",
    "AtomicInt",
    "AtomicInt64",
    "AtomicIntHandle",
    "AtomicKeyedCounter",
    "AtomicKeyedCounterHandle",
    "AtomicRef",
    "AtomicRefHandle",
    "AtomicSet",
    "AtomicSetHandle",
    "AtomicStampedRef",
    "ConcurrentUsageDetected",
    "CountDownLatch",
    "ExpectationFailed",
    "ReadersWriterLock",
    "ThreadHandle",
    "ThreadSet",
    "call_once",
    "once_property",
    "to_builtin",
]

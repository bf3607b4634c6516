# SPDX-License-Identifier: Apache-2.0
"""The common type of all handles."""

from __future__ import annotations

from abc import ABCMeta
from typing import TYPE_CHECKING, Any, TypeVar

import cereggii_atomicref
from cereggii_atomicdict import AtomicDictHandle
from cereggii_atomicint import AtomicCounterHandle, AtomicIntHandle
from cereggii_atomicref import AtomicRefHandle
from cereggii_atomicref._atomicref import AtomicBoolHandle

__all__ = ["ThreadHandle"]

_T = TypeVar("_T")

if TYPE_CHECKING:
    from cereggii_atomicref import ThreadHandle
else:

    class _HandleType(ABCMeta):
        """Handles are registered with ThreadHandle; what is derived from it, is from the proxy."""

        def __new__(mcs, name: str, bases: tuple[Any, ...], namespace: Any, **kwargs: Any) -> Any:
            if not bases:
                return super().__new__(mcs, name, bases, namespace, **kwargs)
            proxy = cereggii_atomicref.ThreadHandle
            bases = tuple(proxy if type(base) is mcs else base for base in bases)
            return type(proxy)(name, bases, namespace, **kwargs)

    class ThreadHandle(metaclass=_HandleType):
        """One thread's own reference to an object that threads share.

        `ThreadHandle(obj)` is a transparent, immutable proxy of any object, of the type
        `cereggii_atomicref.ThreadHandle`: attributes, calls, operators, iteration, `hash` and `==`
        are those of the object. What the `get_handle()` of an atomic type returns is an instance,
        too, and does the type's operations natively.

        A thread that works on its handle writes to the handle's reference count, and not to that
        of the object, which all threads would contend for. Nothing else is different: every
        operation is that of the object, with its guarantees. A handle may be used by any thread.
        """

        def __new__(cls, obj: Any) -> Any:  # noqa: D102
            return cereggii_atomicref.ThreadHandle(obj)

        def __init__(self, obj: Any) -> None:
            # Of a derived proxy, which names it explicitly: those made here are ready.
            cereggii_atomicref.ThreadHandle.__init__(self, obj)

        @staticmethod
        def unwrap(handle: Any, /) -> Any:
            """The object that a ThreadHandle was made for."""
            return cereggii_atomicref.ThreadHandle.unwrap(handle)

        def __class_getitem__(cls, item: Any, /) -> Any:
            return cereggii_atomicref.ThreadHandle[item]

    for _handle in (
        cereggii_atomicref.ThreadHandle,
        AtomicBoolHandle,
        AtomicCounterHandle,
        AtomicDictHandle,
        AtomicIntHandle,
        AtomicRefHandle,
    ):
        ThreadHandle.register(_handle)

# SPDX-License-Identifier: Apache-2.0
"""The common type of all handles."""

from __future__ import annotations

import types
from abc import ABCMeta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

import cereggii_atomicref
from cereggii_atomicdict import AtomicDict, AtomicDictHandle, AtomicSet, AtomicSetHandle
from cereggii_atomicfloat import (
    AtomicFloat,
    AtomicFloatHandle,
    AtomicFloatSum,
    AtomicFloatSumHandle,
)
from cereggii_atomicint import AtomicCounter, AtomicCounterHandle, AtomicInt, AtomicIntHandle
from cereggii_atomicref import AtomicRef, AtomicRefHandle, _atomicref

from cereggii.atomic_bool import AtomicBool, AtomicBoolHandle
from cereggii.atomic_dict.atomic_keyed_counter import AtomicKeyedCounter, AtomicKeyedCounterHandle

__all__ = ["ThreadHandle"]

_T = TypeVar("_T")
_K = TypeVar("_K")
_V = TypeVar("_V")

if TYPE_CHECKING:
    # ruff: noqa: D102
    class ThreadHandle(cereggii_atomicref.ThreadHandle[_T]):
        """For type checkers: it takes the handles of all packages."""

        @overload  # type: ignore[override]
        @staticmethod
        def unwrap(handle: cereggii_atomicref.ThreadHandle[_V], /) -> _V: ...
        @overload
        @staticmethod
        def unwrap(handle: AtomicRefHandle[_V], /) -> AtomicRef[_V]: ...
        @overload
        @staticmethod
        def unwrap(handle: AtomicBoolHandle, /) -> AtomicBool: ...
        @overload
        @staticmethod
        def unwrap(handle: _atomicref.AtomicBoolHandle, /) -> _atomicref.AtomicBool: ...
        @overload
        @staticmethod
        def unwrap(handle: AtomicIntHandle, /) -> AtomicInt: ...
        @overload
        @staticmethod
        def unwrap(handle: AtomicCounterHandle, /) -> AtomicCounter: ...
        @overload
        @staticmethod
        def unwrap(handle: AtomicFloatHandle, /) -> AtomicFloat: ...
        @overload
        @staticmethod
        def unwrap(handle: AtomicFloatSumHandle, /) -> AtomicFloatSum: ...
        @overload
        @staticmethod
        def unwrap(handle: AtomicKeyedCounterHandle[_K], /) -> AtomicKeyedCounter[_K]: ...
        @overload
        @staticmethod
        def unwrap(handle: AtomicDictHandle[_K, _V], /) -> AtomicDict[_K, _V]: ...
        @overload
        @staticmethod
        def unwrap(handle: AtomicSetHandle[_K], /) -> AtomicSet[_K]: ...
        @staticmethod
        def unwrap(handle: Any, /) -> Any: ...

else:

    def _real(bases: tuple[Any, ...]) -> tuple[Any, ...]:
        """The bases of a class statement, with the proxy for ThreadHandle."""
        proxy = cereggii_atomicref.ThreadHandle
        return tuple(proxy if isinstance(base, _HandleType) else base for base in bases)

    class _HandleType(type(Protocol)):
        """The metaclass of ThreadHandle, with which the handles of all types are registered.

        A class statement that names ThreadHandle as a base derives from the proxy in its place. So
        a subclass has the metaclass of its real bases. Before that, Python compares this metaclass
        with those of the other bases. It is a subclass of the metaclass of protocols, and so of
        ABCMeta, so that protocols and abstract classes can be among them.
        """

        __instancecheck__ = ABCMeta.__instancecheck__
        __subclasscheck__ = ABCMeta.__subclasscheck__

        @classmethod
        def __prepare__(cls, name: str, bases: tuple[Any, ...], /, **keywords: Any) -> Any:
            return types.prepare_class(name, _real(bases), keywords)[1]

        def __new__(
            cls, name: str, bases: tuple[Any, ...], namespace: Any, /, **keywords: Any
        ) -> Any:
            if bases:  # `type` finds the metaclass
                return type(name, _real(bases), namespace, **keywords)
            return super().__new__(cls, name, bases, namespace, **keywords)

    class ThreadHandle(metaclass=_HandleType):
        """One thread's own reference to an object that threads share.

            mine = ThreadHandle(shared)     # in each thread
            mine.method()                   # the same as shared.method()

        `ThreadHandle(obj)` is a transparent, immutable proxy of any object, of the type
        `cereggii_atomicref.ThreadHandle`: attributes, calls, operators, iteration, `hash` and `==`
        are those of the object. The handles that the `get_handle()` of an atomic type returns are
        instances, too. They do the type's operations natively.

        A thread that works on its handle writes to the handle's reference count. Without a handle,
        all threads would contend for the reference count of the object. Nothing else is different:
        each operation is that of the object, with its guarantees. Any thread may use a handle.
        """

        __module__ = "cereggii"

        def __new__(cls, obj: Any) -> Any:
            return cereggii_atomicref.ThreadHandle(obj)

        def __init__(self, obj: Any) -> None:
            # A derived proxy calls this explicitly. The proxies that `__new__` makes are ready.
            cereggii_atomicref.ThreadHandle.__init__(self, obj)

        @staticmethod
        def unwrap(handle: Any, /) -> Any:
            """The object of a handle, such as the AtomicInt of an AtomicIntHandle.

            It takes the handles of all types. TypeError for anything else, RuntimeError for a
            handle whose `__init__` has not been called.
            """
            for kind in _OF_OTHER_PACKAGES:
                if issubclass(type(handle), kind):  # not isinstance: that asks the object
                    return kind.__getnewargs__(handle)[0]
            return cereggii_atomicref.ThreadHandle.unwrap(handle)

        def __class_getitem__(cls, item: Any, /) -> Any:
            return cereggii_atomicref.ThreadHandle[item]

    # The handles that the proxy's own unwrap() does not know.
    _OF_OTHER_PACKAGES = (
        AtomicIntHandle,
        AtomicCounterHandle,
        AtomicFloatHandle,
        AtomicFloatSumHandle,
        AtomicDictHandle,
        AtomicSetHandle,
    )

    for _handle in (
        cereggii_atomicref.ThreadHandle,
        AtomicBoolHandle,
        AtomicRefHandle,
        *_OF_OTHER_PACKAGES,
    ):
        ThreadHandle.register(_handle)

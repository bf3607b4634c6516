# SPDX-License-Identifier: Apache-2.0
"""Copying and pickling: a snapshot of the value, and the attributes that a subclass has.

Every package has this module; it is installed with the extension module.

Tuples are added up here: to unpack them into a new one makes a list on the way, and when there is
no memory for its items, free-threaded CPython 3.14.7 crashes.
"""
# ruff: noqa: RUF005

from __future__ import annotations

import copy
import copyreg
from typing import Any


def make_copyable(base: type) -> None:
    """Lets instances of `base` and its subclasses be copied and pickled, by any protocol.

    The copy is constructed with its value (a handle: with its target) before its attributes are
    restored, so attributes may refer back to it.
    """

    def __reduce_ex__(self: Any, protocol: Any, /) -> Any:  # noqa: N807
        reduced = _reduce(base, self, protocol)
        if reduced[0] is not copyreg.__newobj__:  # type: ignore[attr-defined]
            return reduced  # a subclass does it its own way
        return (_restore, (base,) + reduced[1]) + reduced[2:]

    base.__reduce_ex__ = __reduce_ex__  # type: ignore[method-assign, assignment]


def make_container_copyable(base: type) -> None:
    """The same for what holds objects: the value may refer back to the copy, too.

    `base.__init__` without arguments and `base.set(self, *value)` make the copy. In a subclass that
    has a `__setstate__` of its own, which knows its attributes only, the value may not refer back.
    """

    def __setstate__(self: Any, state: Any) -> None:  # noqa: N807
        value, attributes = state
        base.set(self, *value)  # type: ignore[attr-defined]
        _set_attributes(self, attributes)

    def __reduce_ex__(self: Any, protocol: Any, /) -> Any:  # noqa: N807
        reduced = _reduce(base, self, protocol)
        if reduced[0] is not copyreg.__newobj__:  # type: ignore[attr-defined]
            return reduced
        cls, value = reduced[1][0], reduced[1][1:]
        if cls.__setstate__ is not __setstate__:
            return (_restore, (base, cls) + value) + reduced[2:]
        return (_restore, (base, cls), (value, reduced[2])) + reduced[3:]

    base.__reduce_ex__ = __reduce_ex__  # type: ignore[method-assign, assignment]
    base.__setstate__ = __setstate__  # type: ignore[attr-defined]


def make_handle_copyable(base: type) -> None:
    """The same for handles, whose copies are handles of a copy of their target."""
    make_copyable(base)

    def __copy__(self: Any) -> Any:  # noqa: N807
        if not isinstance(self, base):
            raise TypeError(f"{base.__name__}.__copy__() needs one, not {self!r}")
        reduced: Any = self.__reduce_ex__(2)
        cls, target = reduced[1][1:]
        copied = _restore(base, cls, copy.copy(target))
        _set_attributes(copied, reduced[2])
        return copied

    base.__copy__ = __copy__  # type: ignore[attr-defined]


def _reduce(base: type, self: Any, protocol: Any) -> Any:
    if not isinstance(self, base):
        raise TypeError(f"{base.__name__}.__reduce_ex__() needs one, not {self!r}")
    return object.__reduce_ex__(self, max(protocol, 2))


def _restore(base: Any, cls: Any, *value: Any) -> Any:
    restored = cls.__new__(cls)
    base.__init__(restored, *value)
    return restored


def _set_attributes(instance: Any, state: Any) -> None:
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    for name, value in {**(attributes or {}), **(slots or {})}.items():
        setattr(instance, name, value)

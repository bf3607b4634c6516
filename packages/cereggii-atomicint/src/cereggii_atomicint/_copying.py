# SPDX-License-Identifier: Apache-2.0
"""Copying and pickling: a snapshot of the value, and the attributes that a subclass has."""

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
        if not isinstance(self, base):
            raise TypeError(f"{base.__name__}.__reduce_ex__() needs one, not {self!r}")
        reduced = object.__reduce_ex__(self, max(protocol, 2))
        if reduced[0] is not copyreg.__newobj__:  # type: ignore[attr-defined]
            return reduced  # a subclass does it its own way
        return (_restore, (base, *reduced[1]), *reduced[2:])

    base.__reduce_ex__ = __reduce_ex__  # type: ignore[method-assign, assignment]


def make_handle_copyable(base: type) -> None:
    """The same for handles, whose copies are handles of a copy of their target."""
    make_copyable(base)

    def __copy__(self: Any) -> Any:  # noqa: N807
        if not isinstance(self, base):
            raise TypeError(f"{base.__name__}.__copy__() needs one, not {self!r}")
        reduced: Any = self.__reduce_ex__(2)
        _, (_, cls, target), state, *_ = reduced
        copied = _restore(base, cls, copy.copy(target))
        attributes, slots = state if isinstance(state, tuple) else (state, None)
        for name, value in {**(attributes or {}), **(slots or {})}.items():
            setattr(copied, name, value)
        return copied

    base.__copy__ = __copy__  # type: ignore[attr-defined]


def _restore(base: Any, cls: Any, value: Any) -> Any:
    restored = cls.__new__(cls)
    base.__init__(restored, value)
    return restored

# SPDX-License-Identifier: Apache-2.0
"""Copying and pickling: a snapshot of the value, and the attributes that a subclass has.

Every package has this module; it is installed with the extension module. The types of a package
have a `__getnewargs__`, which returns the arguments of the constructor: the value, or a handle's
target. (That of a mapping returns no arguments: `copyreg` asks for them as well, and the mapping
would be copied twice.)

Tuples are concatenated with `+` here. Unpacking them into a new tuple makes a list on the way, and
if there is no memory for its items, free-threaded CPython 3.14.7 crashes.
"""
# ruff: noqa: RUF005

from __future__ import annotations

import copy
import copyreg
from typing import Any

_SNAPSHOT = "snapshot"  # the first of the three items of a container's state


def copying(base: Any) -> dict[str, Any]:
    """Methods that let instances of `base` and its subclasses be copied and pickled.

    The copy is constructed with its value (a handle: with its target) before its attributes are
    restored, so attributes may refer back to it.
    """
    _replace_restore_of_earlier_import(base)

    def __reduce_ex__(self: Any, protocol: Any, /) -> Any:  # noqa: N807
        reduced = _reduce(base, self, protocol)
        how = _construction(base, self, reduced)
        if how is None:
            return reduced
        return (_restore, (base, type(self), base.__getnewargs__(self)) + how) + reduced[2:]

    # copyreg stores the names of a class's slots in the class, unless the class is immutable.
    return {"__reduce_ex__": __reduce_ex__, "__slotnames__": []}


def copying_of_container(
    base: Any, fill: Any, *, items: Any = None, elements: Any = None
) -> dict[str, Any]:
    """The methods of `copying` for a type that holds objects: they may refer back to the copy.

    `base.__init__` without arguments and `fill(self, *value)` make the copy. If a subclass has its
    own `__setstate__`, which knows its attributes only, the value must not refer back.
    `items(self)` iterates over the items of a mapping as of one instant. They are stored into the
    copy one by one, as those of a dict's subclass; but if a subclass overrides `__setitem__`,
    `fill` stores them. `elements(self)` iterates over the elements of a set as of one instant. The
    value is a list of them.
    """
    _replace_restore_of_earlier_import(base)

    def __setstate__(self: Any, state: Any) -> None:  # noqa: N807
        _check(base, self, "__setstate__")
        if isinstance(state, tuple) and len(state) == 3 and state[0] == _SNAPSHOT:
            _, value, state = state
            fill(*(self,) + value)
        _set_attributes(self, state)

    def __reduce_ex__(self: Any, protocol: Any, /) -> Any:  # noqa: N807
        reduced = _reduce(base, self, protocol)
        how = _construction(base, self, reduced)
        if how is None:
            return reduced
        cls = type(self)
        state = reduced[2] if len(reduced) > 2 else None
        restores = cls.__setstate__ is __setstate__
        if restores and items is not None and cls.__setitem__ is base.__setitem__:
            return (_restore, (base, cls, ()) + how, state, None, _each(items(self)))
        if items is not None:
            value: Any = (dict(items(self)),)
        elif elements is not None:
            value = (_ListOf(elements(self)),)
        else:
            value = base.__getnewargs__(self)
        if restores:
            return (_restore, (base, cls, ()) + how, (_SNAPSHOT, value, state)) + reduced[3:]
        return (_restore, (base, cls, value) + how) + reduced[2:]

    return {"__reduce_ex__": __reduce_ex__, "__setstate__": __setstate__, "__slotnames__": []}


def _each(items: Any) -> Any:
    """Iterate over the items, to pickle them.

    This is Python code, so that signals are answered meanwhile, and other threads can run the
    collector: `pickle` on its own lets neither happen.
    """
    for item in items:  # noqa: UP028  `yield from` does not check for signals and waiting threads
        yield item


class _ListOf:
    """An iterable, which is pickled as a list of its items: see `_each`."""

    def __init__(self, items: Any) -> None:
        self._items = items

    def __iter__(self) -> Any:
        return iter(self._items)

    def __reduce__(self) -> Any:
        return list, (), None, _each(self._items)


def copying_of_handle(base: Any) -> dict[str, Any]:
    """The methods of `copying` for a handle type. A copy is a handle of a copy of the target."""

    def __copy__(self: Any) -> Any:  # noqa: N807
        _check(base, self, "__copy__")
        reduced: Any = self.__reduce_ex__(4)
        function, arguments = reduced[0], reduced[1]
        if function is _restore:
            target = copy.copy(arguments[2][0])
            arguments = arguments[:2] + ((target,),) + arguments[3:]
        copied = function(*arguments)
        state = reduced[2] if len(reduced) > 2 else None
        if state is not None and hasattr(copied, "__setstate__"):
            copied.__setstate__(state)
        else:
            _set_attributes(copied, state)
        return copied

    return {**copying(base), "__copy__": __copy__}


def _check(base: Any, self: Any, method: str) -> None:
    if not issubclass(type(self), base):  # a handle's class is that of its target
        raise TypeError(f"{base.__name__}.{method}() needs one, not {self!r}")


def _reduce(base: Any, self: Any, protocol: Any) -> Any:
    _check(base, self, "__reduce_ex__")
    return object.__reduce_ex__(self, max(protocol, 2))


def _construction(base: Any, self: Any, reduced: Any) -> Any:
    """The arguments of a subclass's own `__new__`: (positional, keywords), or an empty tuple.

    None for a subclass with its own way to be reduced.
    """
    if reduced[0] is copyreg.__newobj_ex__:  # type: ignore[attr-defined]
        return reduced[1][1:]
    if reduced[0] is not copyreg.__newobj__ or reduced[1][0] is not type(self):  # type: ignore[attr-defined]
        return None
    inherited = type(self).__getnewargs__ is base.__getnewargs__
    return () if inherited else (reduced[1][1:], {})


def _replace_restore_of_earlier_import(base: Any) -> None:
    """Make the methods of an earlier import of the package use this module's `_restore`.

    Pickle finds `_restore` in the module that was imported last. But if the package is imported
    again, `base` keeps the methods of the first import. (They do not look into `sys.modules` each
    time: with 3.13t, a daemon thread that is stopped there when the interpreter ends may keep that
    dict locked, and then the interpreter waits forever.)
    """
    method = vars(base).get("__reduce_ex__")
    if method is not None:
        method.__globals__["_restore"] = _restore


def _restore(base: Any, cls: Any, value: Any, args: Any = (), keywords: Any = None) -> Any:
    restored = cls.__new__(cls, *args, **keywords) if args or keywords else cls.__new__(cls)
    base.__init__(*(restored,) + value)
    return restored


def _set_attributes(instance: Any, state: Any) -> None:
    """Restore attributes like pickle: write into the dict without `__setattr__`, and set slots."""
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    if attributes:
        instance.__dict__.update(attributes)
    for name, value in (slots or {}).items():
        setattr(instance, name, value)

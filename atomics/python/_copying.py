# SPDX-License-Identifier: Apache-2.0
"""Copying and pickling: a snapshot of the value, and the attributes that a subclass has.

Every package has this module; it is installed with the extension module. Its types have a
`__getnewargs__`, which gives the arguments of the constructor: the value, or a handle's target. (Of
a mapping none: `copyreg` asks for them as well, and it would be copied twice.)

Tuples are added up here: to unpack them into a new one makes a list on the way, and when there is
no memory for its items, free-threaded CPython 3.14.7 crashes.
"""
# ruff: noqa: RUF005

from __future__ import annotations

import copy
import copyreg
from typing import Any

_SNAPSHOT = "snapshot"  # the first of three items of a container's state


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

    # copyreg keeps the names of a class's slots in the class, unless that cannot be changed.
    return {"__reduce_ex__": __reduce_ex__, "__slotnames__": []}


def copying_of_container(base: Any, fill: Any, *, items: Any = None) -> dict[str, Any]:
    """The same for what holds objects: the value may refer back to the copy, too.

    `base.__init__` without arguments and `fill(self, *value)` make the copy. In a subclass that
    has a `__setstate__` of its own, which knows its attributes only, the value may not refer back.
    `items(self)` iterates over the items of a mapping at one instant: they are stored into the copy
    one by one, as those of a dict's subclass; but where a subclass stores in its own way, `fill`
    does it.
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
        value = base.__getnewargs__(self) if items is None else (dict(items(self)),)
        if restores:
            return (_restore, (base, cls, ()) + how, (_SNAPSHOT, value, state)) + reduced[3:]
        return (_restore, (base, cls, value) + how) + reduced[2:]

    return {"__reduce_ex__": __reduce_ex__, "__setstate__": __setstate__, "__slotnames__": []}


def _each(items: Any) -> Any:
    """The items, to be pickled.

    Python code, so that signals are answered meanwhile, and other threads can run the collector:
    `pickle` on its own does neither.
    """
    for item in items:  # noqa: UP028  `yield from` would not look whether others wait
        yield item


def copying_of_handle(base: Any) -> dict[str, Any]:
    """The same for handles, whose copies are handles of a copy of their target."""

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
    """The arguments of a subclass's own `__new__`: (positional, keywords), or nothing.

    None for a subclass that is reduced in its own way.
    """
    if reduced[0] is copyreg.__newobj_ex__:  # type: ignore[attr-defined]
        return reduced[1][1:]
    if reduced[0] is not copyreg.__newobj__ or reduced[1][0] is not type(self):  # type: ignore[attr-defined]
        return None
    inherited = type(self).__getnewargs__ is base.__getnewargs__
    return () if inherited else (reduced[1][1:], {})


def _replace_restore_of_earlier_import(base: Any) -> None:
    """Pickle finds `_restore` in the module that was imported last.

    But if the package is imported again, `base` keeps the methods of the first import. (They do not
    look into `sys.modules` each time: with 3.13t, a daemon thread that is stopped there when the
    interpreter ends may keep that dict locked, and then the interpreter waits forever.)
    """
    method = vars(base).get("__reduce_ex__")
    if method is not None:
        method.__globals__["_restore"] = _restore


def _restore(base: Any, cls: Any, value: Any, args: Any = (), keywords: Any = None) -> Any:
    restored = cls.__new__(cls, *args, **keywords) if args or keywords else cls.__new__(cls)
    base.__init__(*(restored,) + value)
    return restored


def _set_attributes(instance: Any, state: Any) -> None:
    """As pickle does: the dict is written, whatever `__setattr__` does; slots are set."""
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    if attributes:
        instance.__dict__.update(attributes)
    for name, value in (slots or {}).items():
        setattr(instance, name, value)

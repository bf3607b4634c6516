# SPDX-License-Identifier: Apache-2.0
"""Plain copies of atomic objects, for libraries that know builtin types only."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, overload

from cereggii_atomicdict import AtomicDict, AtomicDictHandle, AtomicSet, AtomicSetHandle
from cereggii_atomicfloat import (
    AtomicFloat,
    AtomicFloatHandle,
    AtomicFloatSum,
    AtomicFloatSumHandle,
)
from cereggii_atomicint import (
    AtomicCounter,
    AtomicCounterHandle,
    AtomicEvent,
    AtomicInt,
    AtomicIntHandle,
)
from cereggii_atomicref import AtomicRef, AtomicRefHandle, AtomicStampedRef, ThreadHandle

from cereggii.atomic_bool import AtomicBool, AtomicBoolHandle
from cereggii.atomic_dict._contents import contents

__all__ = ["to_builtin"]


@overload
def to_builtin(x: AtomicInt | AtomicIntHandle | AtomicCounter | AtomicCounterHandle) -> int: ...
@overload
def to_builtin(
    x: AtomicFloat | AtomicFloatHandle | AtomicFloatSum | AtomicFloatSumHandle,
) -> float: ...
@overload
def to_builtin(x: AtomicBool | AtomicBoolHandle | AtomicEvent) -> bool: ...
@overload
def to_builtin(x: AtomicDict[Any, Any] | AtomicDictHandle[Any, Any]) -> dict[Any, Any]: ...
@overload
def to_builtin(x: AtomicSet[Any] | AtomicSetHandle[Any]) -> set[Any]: ...
@overload
def to_builtin(x: object) -> Any: ...
def to_builtin(x: object) -> Any:
    """A plain copy of an atomic object, and of all objects in it.

        json.dumps(AtomicDict(hits=AtomicInt(3)), default=cereggii.to_builtin)  # {"hits": 3}

    | `x` | becomes |
    |---|---|
    | AtomicInt, AtomicCounter | an int |
    | AtomicFloat, AtomicFloatSum | a float |
    | AtomicBool, AtomicEvent | a bool |
    | AtomicDict, AtomicKeyedCounter, AtomicCache | a dict |
    | AtomicSet | a set |
    | AtomicStampedRef | a tuple (value, stamp) |
    | AtomicRef | what its value becomes |
    | a handle, ThreadHandle | what its target becomes |

    Keys and values are converted in the same way. A list, tuple, dict, set or frozenset in `x`
    becomes a new one. An instance of a subclass of these, such as a namedtuple, becomes one of the
    builtin type. Any other object, such as an instance of a dataclass, stays what it is.

    TypeError for any other `x`, and for objects of this library that have no value, such as locks,
    latches and thread sets, wherever they are. ValueError for an object that contains itself, and
    if two keys of a dict become equal. RecursionError if objects are nested too deeply.

    Other threads may change everything meanwhile. Each AtomicDict or AtomicSet, each list and each
    value is read as of one instant, but the whole is not. An AtomicCounter, an AtomicFloatSum and
    an AtomicCache are read as weakly as their own methods do. The call waits where `snapshot` does.
    """
    if _find(_OF_ATOMICS, type(x)) is None:
        raise _refusal(x)
    return _convert(x, set())


_Conversion: TypeAlias = Callable[[Any, set[int]], Any]


def _convert(x: Any, outer: set[int]) -> Any:
    """The plain copy of an object. `outer` has the `id` of each object that contains it."""
    kind = type(x)
    if kind in _UNCHANGED:
        return x
    conversion = _find(_OF_ATOMICS, kind) or _find(_OF_BUILTINS, kind)
    if conversion is None:
        if any(str(base.__module__).partition(".")[0] in _PACKAGES for base in kind.__mro__):
            raise _refusal(x)
        return x
    if id(x) in outer:
        raise ValueError("Circular reference detected")
    outer.add(id(x))
    converted = conversion(x, outer)
    outer.remove(id(x))
    return converted


def _refusal(x: object) -> TypeError:
    return TypeError(f"Object of type {type(x).__name__} is not convertible by to_builtin")


def _find(conversions: dict[type, _Conversion], kind: type) -> _Conversion | None:
    for base in kind.__mro__:
        if base in conversions:
            return conversions[base]
    return None


def _from_value(read: Callable[[Any], Any]) -> _Conversion:
    return lambda x, outer: _convert(read(x), outer)


def _from_dict(read: Callable[[Any], dict[Any, Any]]) -> _Conversion:
    def convert(x: Any, outer: set[int]) -> dict[Any, Any]:
        converted: dict[Any, Any] = {}
        for key, value in read(x).items():
            new_key = _convert(key, outer)
            if new_key in converted:
                raise ValueError(f"Two keys of one {type(x).__name__} become {new_key!r}")
            converted[new_key] = _convert(value, outer)
        return converted

    return convert


def _copied(x: Any) -> list[Any]:
    """The items as of one instant: threads may change what is copied."""
    return [*x]


def _from_items(
    kind: Callable[[list[Any]], Any], read: Callable[[Any], Iterable[Any]] = _copied
) -> _Conversion:
    return lambda x, outer: kind([_convert(item, outer) for item in read(x)])


_get_value = _from_value(lambda x: x.get())
_OF_ATOMICS: dict[type, _Conversion] = {
    AtomicInt: _get_value,
    AtomicIntHandle: _get_value,
    AtomicCounter: _get_value,
    AtomicCounterHandle: _get_value,
    AtomicFloat: _get_value,
    AtomicFloatHandle: _get_value,
    AtomicFloatSum: _get_value,
    AtomicFloatSumHandle: _get_value,
    AtomicBool: _get_value,
    AtomicBoolHandle: _get_value,
    AtomicEvent: _from_value(lambda x: x.is_set()),
    AtomicRef: _get_value,
    AtomicRefHandle: _get_value,
    AtomicStampedRef: _get_value,
    AtomicDict: _from_dict(contents),
    AtomicDictHandle: _from_dict(contents),
    AtomicSet: _from_items(set, lambda x: x.snapshot()),
    AtomicSetHandle: _from_items(set, lambda x: x.snapshot()),
    ThreadHandle: _from_value(ThreadHandle.unwrap),
}
_OF_BUILTINS: dict[type, _Conversion] = {
    dict: _from_dict(dict),
    list: _from_items(list),
    tuple: _from_items(tuple),
    set: _from_items(set),
    frozenset: _from_items(frozenset),
}
_UNCHANGED = {bool, bytes, float, int, str, type(None)}
_PACKAGES = {
    "cereggii",
    "cereggii_atomicdict",
    "cereggii_atomicfloat",
    "cereggii_atomicint",
    "cereggii_atomicref",
}

# SPDX-License-Identifier: Apache-2.0
"""The live views of an AtomicDict: `keys()`, `values()` and `items()`.

The types of the views and their set operations are those of collections.abc. The iterators are
native.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from reprlib import recursive_repr
from types import MappingProxyType
from typing import Any

from cereggii_atomicdict._atomicdict import NOT_FOUND


def _show(self: Any) -> str:
    return f"{type(self).__name__}({list(self)!r})"


_repr: Any = recursive_repr()(_show)  # a view may be a value of its dict


class AtomicDictKeys(KeysView[Any]):
    """A live view of the keys of an AtomicDict. Iteration is weak, and never raises."""

    __slots__ = ("__weakref__",)
    __repr__ = _repr

    @property
    def mapping(self) -> MappingProxyType[Any, Any]:
        """A read-only view of the dict."""
        return MappingProxyType(self._mapping)  # type: ignore[attr-defined]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._mapping)  # type: ignore[attr-defined]


class AtomicDictValues(ValuesView[Any]):
    """A live view of the values of an AtomicDict. Iteration is weak, and never raises."""

    __slots__ = ("__weakref__",)
    __repr__ = _repr

    @property
    def mapping(self) -> MappingProxyType[Any, Any]:
        """A read-only view of the dict."""
        return MappingProxyType(self._mapping)  # type: ignore[attr-defined]

    def __iter__(self) -> Iterator[Any]:
        return self._mapping._iterate_values()  # type: ignore[attr-defined, no-any-return]

    def __contains__(self, value: object) -> bool:
        return any(found is value or found == value for found in self)


class AtomicDictItems(ItemsView[Any, Any]):
    """A live view of the (key, value) pairs of an AtomicDict. Iteration is weak, never raises."""

    __slots__ = ("__weakref__",)
    __repr__ = _repr

    @property
    def mapping(self) -> MappingProxyType[Any, Any]:
        """A read-only view of the dict."""
        return MappingProxyType(self._mapping)  # type: ignore[attr-defined]

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self._mapping._iterate_items()  # type: ignore[attr-defined, no-any-return]

    def __contains__(self, item: object) -> bool:
        if not (isinstance(item, tuple) and len(item) == 2):
            return False
        key, value = item
        found = self._mapping.get(key, NOT_FOUND)  # type: ignore[attr-defined]
        return found is not NOT_FOUND and (found is value or found == value)


for _view in (AtomicDictKeys, AtomicDictValues, AtomicDictItems):
    _view.__module__ = "cereggii_atomicdict"  # where it is public


def views_of(mapping: Any) -> dict[str, Any]:
    """The methods of a class of mappings that return its views."""

    def keys(self: Any) -> AtomicDictKeys:
        """A live view of the keys; a set."""
        return AtomicDictKeys(_checked(self))

    def values(self: Any) -> AtomicDictValues:
        """A live view of the values."""
        return AtomicDictValues(_checked(self))

    def items(self: Any) -> AtomicDictItems:
        """A live view of the (key, value) pairs; a set, if the values are hashable."""
        return AtomicDictItems(_checked(self))

    def _checked(self: Any) -> Any:
        if not isinstance(self, mapping):
            raise TypeError(f"{mapping.__name__}'s method needs one, not {self!r}")
        mapping.approx_len(self)  # RuntimeError if __init__ has not been called
        return self

    views = {"keys": keys, "values": values, "items": items}
    for name, view in views.items():
        view.__qualname__ = f"{mapping.__name__}.{name}"
    return views

# SPDX-License-Identifier: Apache-2.0
"""The items of a mapping, as its own methods show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from cereggii_atomicdict import AtomicDict, AtomicDictHandle

_K = TypeVar("_K")
_V = TypeVar("_V")


def _overridden(mapping: object) -> str | None:
    """The method that decides what a mapping shows; None if it shows what it stores."""
    # The class of a ThreadHandle is that of its target.
    kind = mapping.__class__
    for base in (AtomicDict, AtomicDictHandle, dict):
        if issubclass(kind, base):
            if kind.items is not base.items:
                return "items"
            if kind.__iter__ is not base.__iter__ or kind.keys is not base.keys:
                return "keys"
            return None
    return "items"


def overrides_iteration(mapping: object) -> bool:
    """Whether a mapping shows other items than it stores, so that its methods have to be used."""
    return _overridden(mapping) is not None


def contents(mapping: Mapping[_K, _V]) -> dict[_K, _V]:
    """A dict of the items that a mapping shows; a dict that shows what it stores itself.

    The items of an AtomicDict are those of one instant.
    """
    how = _overridden(mapping)
    if how == "items":
        return dict(iter(mapping.items()))
    if how == "keys":
        return {key: mapping[key] for key in mapping.keys()}  # noqa: SIM118 - not `__iter__`
    if isinstance(mapping, (AtomicDict, AtomicDictHandle)):
        return mapping.snapshot()
    return mapping  # type: ignore[return-value]

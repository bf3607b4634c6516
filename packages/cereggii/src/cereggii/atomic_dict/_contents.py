# SPDX-License-Identifier: Apache-2.0
"""What is in a mapping, as its own methods show it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from cereggii_atomicdict import AtomicDict, AtomicDictHandle

_K = TypeVar("_K")
_V = TypeVar("_V")


def _overridden(mapping: object) -> str | None:
    """Which of its methods decides what a mapping shows; None if that is what it stores."""
    # Of a ThreadHandle, the class of its target.
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
    """Whether a mapping is to be read by its own methods, because it is not only what it stores."""
    return _overridden(mapping) is not None


def contents(mapping: Mapping[_K, _V]) -> dict[_K, _V]:
    """A dict with what a mapping shows; a dict that shows what it stores is returned itself.

    What an AtomicDict stores is as of one instant.
    """
    how = _overridden(mapping)
    if how == "items":
        return dict(iter(mapping.items()))
    if how == "keys":
        return {key: mapping[key] for key in mapping.keys()}  # noqa: SIM118 - not `__iter__`
    if isinstance(mapping, (AtomicDict, AtomicDictHandle)):
        return mapping.snapshot()
    return mapping  # type: ignore[return-value]

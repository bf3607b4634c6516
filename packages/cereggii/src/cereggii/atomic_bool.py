# SPDX-License-Identifier: Apache-2.0
"""A flag that threads share. `cereggii-atomicref` has it; two methods are added here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cereggii_atomicdict import ExpectationFailed
from cereggii_atomicref import _atomicref
from cereggii_atomicref._copying import copying, copying_of_handle
from cereggii_atomicref._pydantic import boolean, schema_of

__all__ = ["AtomicBool", "AtomicBoolHandle"]


def set_or_raise(self: Any) -> None:
    """Change False to True; ExpectationFailed if it is True already. Linearizable, lock-free."""
    if not self.compare_and_set(False, True):
        raise ExpectationFailed("already set to True")


def reset_or_raise(self: Any) -> None:
    """Change True to False; ExpectationFailed if it is False already. Linearizable, lock-free."""
    if not self.compare_and_set(True, False):
        raise ExpectationFailed("already set to False")


if TYPE_CHECKING:
    # ruff: noqa: D101, D102
    class AtomicBool(_atomicref.AtomicBool):
        def set_or_raise(self) -> None: ...
        def reset_or_raise(self) -> None: ...
        def get_handle(self) -> AtomicBoolHandle: ...  # type: ignore[override]

    class AtomicBoolHandle(_atomicref.AtomicBoolHandle):
        def set_or_raise(self) -> None: ...
        def reset_or_raise(self) -> None: ...
        def get_handle(self) -> AtomicBoolHandle: ...  # type: ignore[override]
else:
    # These are not subclasses: a lookup in the type itself is faster than in a base.
    AtomicBool = _atomicref.AtomicBool
    AtomicBoolHandle = _atomicref.AtomicBoolHandle
    _methods = {"set_or_raise": set_or_raise, "reset_or_raise": reset_or_raise}
    _schema = {"__get_pydantic_core_schema__": schema_of(boolean)}
    _atomicref._finish_type(AtomicBool, {**copying(AtomicBool), **_schema, **_methods})
    _atomicref._finish_type(AtomicBoolHandle, {**copying_of_handle(AtomicBoolHandle), **_methods})

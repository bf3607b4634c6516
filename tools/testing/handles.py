# SPDX-License-Identifier: Apache-2.0
"""Checks that hold for the handles of all atomic types."""

from __future__ import annotations

from typing import Any

import pytest


def check_class_of_handle(kind: type[Any]) -> None:
    """A handle is an instance of the class of its target, as a ThreadHandle is.

    Its own type is another class, and cannot be changed.
    """

    class Derived(kind):  # type: ignore[misc]
        pass

    handle = Derived().get_handle()
    assert handle.__class__ is Derived
    assert isinstance(handle, Derived)
    assert isinstance(handle, kind)
    assert not isinstance(kind().get_handle(), Derived)
    assert type(handle) is type(kind().get_handle())
    with pytest.raises(TypeError, match="class of a handle"):
        handle.__class__ = kind
    handle_type: Any = type(handle)
    assert handle_type.__new__(handle_type).__class__ is handle_type

# SPDX-License-Identifier: Apache-2.0
"""Whether an object is freed, or lives as long as the process."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from tools.testing.concurrency import Thing, eventually
from tools.testing.interpreters import FREE_THREADED


def collected(reference: weakref.ref[Any]) -> bool:
    """Whether the collector frees the object; it does nothing while another thread collects."""

    def gone() -> bool:
        gc.collect()
        return reference() is None

    return eventually(gone, timeout=10)


def is_immortal(instance: object) -> bool:
    """Whether the object's reference count is one of those that are never changed."""
    return sys.getrefcount(instance) > 2**28


where_classes_are_collected = pytest.mark.skipif(
    FREE_THREADED and sys.version_info < (3, 14),
    reason="free-threaded 3.13 makes classes immortal once a thread has been started",
)

every_wrong_immortal = pytest.mark.parametrize("wrong", [0, 1, 1.0, "yes", "", [], object])


def check_dies_with_last_reference(make: Callable[[], Any]) -> None:
    """An object is freed, and its weak references told, as soon as nothing refers to it."""
    died: list[object] = []
    instance = make()
    reference = weakref.ref(instance, died.append)
    assert reference() is instance
    del instance
    assert reference() is None
    assert died == [reference]


def check_usable_when_cleared(
    make: Callable[[object], Any], is_whole: Callable[[Any], bool]
) -> None:
    """A weak reference callback of what is not garbage may find an object that is.

    `make(thing)` makes an object that refers to itself and to the thing. `is_whole` uses it, and
    returns whether nothing of it is missing.
    """
    thing = Thing()
    instance = make(thing)
    uses: list[str] = []

    def use(_: object, target: weakref.ref[Any] = weakref.ref(instance)) -> None:  # noqa: B008
        found = target()
        if found is None:
            uses.append("nothing")
        else:
            uses.append("all" if is_whole(found) else "a part")

    callback = weakref.ref(thing, use)
    reference = weakref.ref(instance)
    del instance, thing
    assert collected(reference)
    assert callback() is None
    # Up to 3.14 the collector clears all weak references to garbage before it calls anything; since
    # 3.15 those without a callback only later, before it takes the garbage apart.
    assert uses in (["nothing"], ["all"])


def check_immortal_argument(kind: Any, wrong: object) -> None:
    """The argument `immortal` is True, False or None, and nothing else."""
    instance = kind.__new__(kind)
    with pytest.raises(TypeError, match="immortal must be True, False or None, not ") as raised:
        instance.__init__(immortal=wrong)
    assert repr(wrong) in str(raised.value)
    instance.__init__(immortal=None)  # nothing has been done
    assert not FREE_THREADED or sys.getrefcount(instance) < 100

# SPDX-License-Identifier: Apache-2.0
"""The names of cereggii 1.x, without their types, and marks for the tests of programs for it.

The tests in `test_cereggii_1_*.py` pass under cereggii 1.0.1 as well, which shows that they test
what 1.0.1 does:

    pytest --noconftest -o markers=thread_unsafe packages/cereggii/tests/test_cereggii_1_*.py

A test that is marked `differs` fails there. A test that is marked `cannot_run_in_1` hangs or
crashes there. A test that is marked `no_longer` passes only there. docs/migration.md has a line for
each.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

cereggii: Any = importlib.import_module("cereggii")
locks: Any = importlib.import_module("cereggii.locks")

AtomicBool = cereggii.AtomicBool
AtomicCache = cereggii.AtomicCache
AtomicDict = cereggii.AtomicDict
AtomicEvent = cereggii.AtomicEvent
AtomicInt64 = cereggii.AtomicInt64
AtomicRef = cereggii.AtomicRef
CountDownLatch = cereggii.CountDownLatch
ReadersWriterLock = locks.ReadersWriterLock
ThreadHandle = cereggii.ThreadHandle
ThreadSet = cereggii.ThreadSet
call_once = cereggii.call_once
ANY = cereggii.ANY
EXPECTATION_FAILED = cereggii.EXPECTATION_FAILED
NOT_FOUND = cereggii.NOT_FOUND
ExpectationFailed = cereggii.ExpectationFailed

IN_1 = cereggii.__version_tuple__[0] < 2
differs = pytest.mark.xfail(IN_1, reason="cereggii 1.x does something else", strict=True)
cannot_run_in_1 = pytest.mark.skipif(IN_1, reason="cereggii 1.x hangs or crashes")
no_longer = pytest.mark.xfail(not IN_1, reason="see docs/migration.md", strict=True)
has_threads = pytest.mark.thread_unsafe(reason="has threads of its own")

Make: TypeAlias = Callable[..., Any]
Decorator: TypeAlias = Callable[[Callable[..., Any]], Any]

MAX, MIN = 2**63 - 1, -(2**63)


def with_handle(make: Make) -> pytest.MarkDecorator:
    """Runs a test with `make`, which makes the object, or a handle of one."""

    def make_handle(*args: Any, **kwargs: Any) -> Any:
        return make(*args, **kwargs).get_handle()

    return pytest.mark.parametrize("make", [make, make_handle], ids=["object", "handle"])


def items(dictionary: Any) -> dict[Any, Any]:
    pairs = list(dictionary.fast_iter())
    found = dict(pairs)
    assert len(found) == len(pairs)
    return found


def add(_key: Any, current: Any, new: Any) -> Any:
    return new if current is NOT_FOUND else current + new


class Fill:
    """Something to fill a cache with, which counts its calls."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def __call__(self, key: Any) -> Any:
        self.calls.append(key)
        return [key]

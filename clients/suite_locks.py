# SPDX-License-Identifier: Apache-2.0
"""CPython's tests of locks, with the types that they are to test.

The reader's side of a ReadersWriterLock is not among them: readers share it.
"""

from __future__ import annotations

import threading
from importlib import import_module
from typing import Any

from cereggii import AtomicEvent, ReadersWriterLock

_lock_tests: Any = import_module("test.lock_tests")


class TestWriterLock(_lock_tests.RLockTests):  # type: ignore[misc]
    """A writer has the lock alone, and may have it several times, as with an RLock."""

    @staticmethod
    def locktype() -> Any:
        """Makes a lock."""
        return ReadersWriterLock().writer()


class TestCondition(_lock_tests.ConditionTests):  # type: ignore[misc]
    """A Condition of a writer's lock."""

    @staticmethod
    def condtype(lock: Any = None) -> threading.Condition:
        """Makes a condition."""
        if lock is None:
            lock = ReadersWriterLock().writer()
        return threading.Condition(lock)


class TestAtomicEvent(_lock_tests.EventTests):  # type: ignore[misc]
    """An AtomicEvent in the place of an Event."""

    eventtype = AtomicEvent

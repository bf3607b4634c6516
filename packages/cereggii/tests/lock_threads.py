# SPDX-License-Identifier: Apache-2.0
"""Threads that hold a ReadersWriterLock or wait for it, for its tests."""

from __future__ import annotations

import linecache
import sys
import threading
from typing import Any

import pytest
from cereggii import ReadersWriterLock

from tools.testing.concurrency import PATIENCE, Task, eventually, run_threads

THREADS = 4

both_sides = pytest.mark.parametrize("side", ["reader", "writer"])


def side_of(lock: ReadersWriterLock, side: str, timeout: Any = None) -> Any:
    return lock.reader(timeout) if side == "reader" else lock.writer(timeout)


def can_enter(lock: ReadersWriterLock, side: str) -> bool:
    """Whether another thread gets in without waiting; it leaves at once."""

    def attempt() -> bool:
        one = side_of(lock, side)
        if not one.acquire(timeout=0):
            return False
        one.release()
        return True

    (entered,) = run_threads(attempt)
    return bool(entered)


def is_free(lock: ReadersWriterLock) -> bool:
    return can_enter(lock, "writer") and "0 readers inside" in repr(lock)


class Other:
    """Another thread, which acquires one side, and releases it when it is told to."""

    def __init__(self, lock: ReadersWriterLock, side: str, timeout: float | None = None) -> None:
        self.side = side
        self.is_inside = threading.Event()
        self._side = side_of(lock, side, timeout)
        self._told = threading.Event()
        self._task = Task(self._hold)
        self._task.start()

    def _hold(self) -> bool:
        if not self._side.acquire():
            return False
        self.is_inside.set()
        assert self._told.wait(PATIENCE)
        self._side.release()
        return True

    def waits(self) -> bool:
        """Whether it has come to the line where it blocks: it is in the queue then."""
        frame = sys._current_frames().get(self._task.ident or 0)
        # A frame that begins has no line yet.
        line: int | None = frame.f_lineno if frame else None
        return (
            frame is not None
            and line is not None
            and "wait_while(" in linecache.getline(frame.f_code.co_filename, line)
        )

    def enters(self) -> bool:
        return self.is_inside.wait(PATIENCE)

    def leave(self) -> None:
        self._told.set()
        assert self._task.result() is True

    def has_given_up(self) -> bool:
        return self._task.result() is False


def inside(lock: ReadersWriterLock, side: str) -> Other:
    """Another thread that has the lock."""
    other = Other(lock, side)
    assert other.enters()
    return other


def queued(lock: ReadersWriterLock, side: str, timeout: float | None = None) -> Other:
    """Another thread that stands in the queue; with a timeout, it may have left it again."""
    other = Other(lock, side, timeout)
    assert eventually(lambda: other.waits() or timeout is not None)
    return other

# SPDX-License-Identifier: Apache-2.0
"""A ReadersWriterLock as an object: its repr, copies, subclasses and its end."""

from __future__ import annotations

import contextlib
import copy
import gc
import pickle
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cereggii import ReadersWriterLock

from tools.testing.concurrency import PATIENCE, background, concurrent, eventually

from .lock_threads import can_enter, inside, is_free, queued


class Named(ReadersWriterLock):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.asked = 0

    def reader(self, timeout: float | None = None) -> Any:
        self.asked += 1
        return super().reader(timeout)


def test_the_repr_shows_the_readers_and_the_writer() -> None:
    lock = ReadersWriterLock()
    where = f"ReadersWriterLock at {id(lock):#x}"
    assert repr(lock) == f"<{where}: 0 readers inside>"
    with lock.reader(), lock.reader():
        assert repr(lock) == f"<{where}: 1 reader inside>"
        other = inside(lock, "reader")
        assert repr(lock) == f"<{where}: 2 readers inside>"
        other.leave()
    with lock.writer(), lock.reader():
        assert repr(lock) == f"<{where}: a writer inside>"
    assert repr(lock.reader()) == f"<ReaderLock of {lock!r}>"
    assert repr(lock.writer()) == f"<WriterLock of {lock!r}>"
    assert repr(Named("mine")).startswith("<Named at 0x")


@concurrent
def test_the_repr_counts_only_threads_that_have_the_lock() -> None:
    lock = ReadersWriterLock()
    with lock.reader():
        before = repr(lock)
        waiting = [queued(lock, "writer"), queued(lock, "reader")]
        assert repr(lock) == before
    for other in waiting:
        assert other.enters()
        other.leave()


def test_the_sides_have_the_names_that_they_had_in_cereggii_1() -> None:
    lock = ReadersWriterLock()
    types: Any = ReadersWriterLock
    assert isinstance(lock.reader(), types.ReaderLock)
    assert isinstance(lock.writer(), types.WriterLock)
    with types.ReaderLock(lock):
        assert not can_enter(lock, "writer")
    with types.WriterLock(lock):
        assert not can_enter(lock, "reader")
    assert is_free(lock)


def test_a_lock_can_be_subclassed() -> None:
    lock = Named("mine")
    with lock.reader():
        assert not can_enter(lock, "writer")
    with lock.writer():
        assert not can_enter(lock, "reader")
    assert (lock.name, lock.asked) == ("mine", 2)
    assert is_free(lock)


def test_locks_compare_and_hash_by_identity() -> None:
    lock, other = ReadersWriterLock(), ReadersWriterLock()
    assert lock == lock
    assert lock != other
    assert len({lock, other, lock}) == 2


@pytest.mark.parametrize("make_copy", [copy.copy, copy.deepcopy, pickle.dumps])
@pytest.mark.parametrize("make", [ReadersWriterLock, lambda: Named("mine")])
@pytest.mark.parametrize("part", ["lock", "reader", "writer"])
def test_a_lock_is_not_copied(
    part: str, make_copy: Callable[[Any], Any], make: Callable[[], Any]
) -> None:
    lock = make()
    copied = {"lock": lock, "reader": lock.reader(), "writer": lock.writer()}[part]
    with pytest.raises(TypeError, match=type(copied).__name__):
        make_copy(copied)
    with lock.writer(), pytest.raises(TypeError, match=type(copied).__name__):
        make_copy(copied)
    assert is_free(lock)


@contextlib.contextmanager
def thread_that_has_used(lock: ReadersWriterLock) -> Iterator[None]:
    """Another thread, which lives on after it has used the lock."""
    used, end = threading.Event(), threading.Event()

    def use(sides: list[Any]) -> None:
        for side in sides:
            with side:
                pass
        sides.clear()
        del side
        used.set()
        assert end.wait(PATIENCE)

    sides = [lock.reader(), lock.writer()]
    del lock
    with background(lambda: use(sides)):
        assert used.wait(PATIENCE)
        try:
            yield
        finally:
            end.set()


def test_a_lock_dies_with_its_last_reference() -> None:
    """It does not live until the threads end that have used it."""
    lock = ReadersWriterLock()
    side = lock.reader()
    lock_reference, side_reference = weakref.ref(lock), weakref.ref(side)
    with thread_that_has_used(lock):
        with lock.writer(), side:
            pass
        del lock
        gc.collect()
        assert lock_reference() is not None  # its sides keep it
        del side
        assert eventually(lambda: gc.collect() >= 0 and lock_reference() is None)
        assert side_reference() is None


@pytest.mark.parametrize("make", [ReadersWriterLock, lambda: Named("mine")])
def test_a_cycle_through_a_lock_is_collected(make: Callable[[], Any]) -> None:
    lock = make()
    lock.itself = [lock, lock.reader(), lock.writer()]
    with lock.reader():
        pass
    reference = weakref.ref(lock)
    del lock
    assert eventually(lambda: gc.collect() >= 0 and reference() is None)


def test_a_lock_may_be_used_as_it_dies() -> None:
    died: list[bool] = []

    class Mortal(ReadersWriterLock):
        def __del__(self) -> None:
            with self.writer(), self.reader():
                died.append(True)

    Mortal()
    assert eventually(lambda: gc.collect() >= 0 and died == [True])

# SPDX-License-Identifier: Apache-2.0
"""Readers share a ReadersWriterLock, and a writer has it alone."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import pytest
from cereggii import ReadersWriterLock

from tools.testing.concurrency import run_threads

from .lock_threads import THREADS, both_sides, can_enter, inside, is_free, side_of

# ── readers and writers ────────────────────────────────────────────────────────────────────────


def test_a_new_lock_is_free() -> None:
    lock = ReadersWriterLock()
    assert can_enter(lock, "reader")
    assert can_enter(lock, "writer")


def test_beside_a_reader_there_is_room_for_readers() -> None:
    lock = ReadersWriterLock()
    with lock.reader():
        assert can_enter(lock, "reader")
        assert not can_enter(lock, "writer")
    assert is_free(lock)


def test_no_other_thread_gets_in_beside_a_writer() -> None:
    lock = ReadersWriterLock()
    with lock.writer():
        assert not can_enter(lock, "reader")
        assert not can_enter(lock, "writer")
    assert is_free(lock)


def test_the_last_reader_to_leave_makes_room_for_a_writer() -> None:
    lock = ReadersWriterLock()
    readers = [inside(lock, "reader") for _ in range(3)]
    for reader in readers:
        assert not can_enter(lock, "writer")
        reader.leave()
    assert is_free(lock)


def test_locks_are_independent() -> None:
    first, second = ReadersWriterLock(), ReadersWriterLock()
    with first.writer(), second.reader():
        assert not can_enter(first, "reader")
        assert can_enter(second, "reader")


@both_sides
def test_with_is_acquire_and_release(side: str) -> None:
    lock = ReadersWriterLock()
    one = side_of(lock, side)
    with one as entered:
        assert entered is one
        assert not can_enter(lock, "writer")
    assert is_free(lock)
    assert one.acquire() is True
    assert not can_enter(lock, "writer")
    assert one.release() is None
    assert is_free(lock)


@both_sides
def test_a_side_can_be_used_again_and_by_many_threads(side: str) -> None:
    lock = ReadersWriterLock()
    one = side_of(lock, side)

    def use() -> None:
        for _ in range(20):
            with one, one:
                pass

    run_threads(*[use] * THREADS)
    assert is_free(lock)


@both_sides
def test_an_exception_in_the_body_propagates_and_the_lock_is_released(side: str) -> None:
    lock = ReadersWriterLock()
    error = LookupError("in the body")
    with pytest.raises(LookupError) as caught, side_of(lock, side):
        raise error
    assert caught.value is error
    assert is_free(lock)


@both_sides
@pytest.mark.parametrize("arguments", [(), (0,), (0.0,), (1,), (1000,)])
def test_a_free_lock_is_acquired_whatever_the_timeout(side: str, arguments: Any) -> None:
    lock = ReadersWriterLock()
    one = side_of(lock, side)
    assert one.acquire(*arguments) is True
    one.release()
    with side_of(lock, side, *arguments):
        assert not can_enter(lock, "writer")
    assert is_free(lock)


# ── again in the same thread ───────────────────────────────────────────────────────────────────


@both_sides
def test_a_lock_has_to_be_released_as_often_as_it_was_acquired(side: str) -> None:
    lock = ReadersWriterLock()
    one = side_of(lock, side)
    for _ in range(3):
        assert one.acquire(timeout=0)
    for _ in range(3):
        assert not can_enter(lock, "writer")
        assert can_enter(lock, "reader") == (side == "reader")
        one.release()
    assert is_free(lock)


def test_a_writer_may_read_and_is_alone_meanwhile() -> None:
    lock = ReadersWriterLock()
    with lock.writer():
        with lock.reader(), lock.reader(), lock.writer():
            assert not can_enter(lock, "reader")
        assert not can_enter(lock, "reader")
    assert is_free(lock)


def test_a_writer_that_goes_on_reading_becomes_a_reader() -> None:
    lock = ReadersWriterLock()
    reader, writer = lock.reader(), lock.writer()
    writer.acquire()
    reader.acquire()
    writer.release()
    assert can_enter(lock, "reader")
    assert not can_enter(lock, "writer")
    assert "1 reader inside" in repr(lock)
    reader.acquire()
    reader.release()
    assert not can_enter(lock, "writer")
    reader.release()
    assert is_free(lock)


@pytest.mark.parametrize("timeout", [None, 0, 1000])
def test_a_reader_that_asks_to_write_is_told_that_it_would_wait_for_itself(timeout: Any) -> None:
    lock = ReadersWriterLock()
    with lock.reader():
        for _ in range(2):
            with pytest.raises(RuntimeError, match=re.escape(repr(lock))):
                lock.writer().acquire(timeout)
            with pytest.raises(RuntimeError), lock.writer(timeout):
                pytest.fail("in the body")
        assert can_enter(lock, "reader")
        assert not can_enter(lock, "writer")
    assert is_free(lock)
    with lock.writer():
        pass


def test_one_that_was_a_writer_and_still_reads_may_not_write_again() -> None:
    lock = ReadersWriterLock()
    with contextlib.ExitStack() as reads:
        with lock.writer():
            reads.enter_context(lock.reader())
        with pytest.raises(RuntimeError):
            lock.writer().acquire()
        assert can_enter(lock, "reader")
    assert is_free(lock)


@both_sides
def test_a_thread_cannot_release_a_lock_that_it_has_not_acquired(side: str) -> None:
    lock = ReadersWriterLock()
    one = side_of(lock, side)
    message = re.escape(f"{lock!r} is not held for {'read' if side == 'reader' else 'writ'}ing")
    with pytest.raises(RuntimeError, match=message):
        one.release()
    one.acquire()
    one.release()
    with pytest.raises(RuntimeError):
        one.release()
    assert is_free(lock)

    other = inside(lock, side)
    with pytest.raises(RuntimeError):
        one.release()
    assert not can_enter(lock, "writer")
    other.leave()
    assert is_free(lock)


def test_one_side_is_not_released_with_the_other() -> None:
    lock = ReadersWriterLock()
    with lock.reader():
        with pytest.raises(RuntimeError):
            lock.writer().release()
        assert not can_enter(lock, "writer")
    with lock.writer():
        with pytest.raises(RuntimeError):
            lock.reader().release()
        assert not can_enter(lock, "reader")
    assert is_free(lock)

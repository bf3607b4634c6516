# SPDX-License-Identifier: Apache-2.0
"""Readers share a ReadersWriterLock, a writer has it alone, and whoever waits gets in, in order."""

from __future__ import annotations

import contextlib
import copy
import gc
import itertools
import linecache
import os
import pickle
import random
import re
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cereggii import AtomicInt, ReadersWriterLock, locks

from tools.testing.concurrency import PATIENCE, Task, background, eventually, meet, run_threads
from tools.testing.interpreters import run_program

THREADS = 4

both_sides = pytest.mark.parametrize("side", ["reader", "writer"])
needs_posix_signals = pytest.mark.skipif(
    not hasattr(signal, "pthread_kill"), reason="there is no signal.pthread_kill here"
)


def concurrent(test: Any) -> Any:
    """Marks a test that has threads of its own."""
    mark = pytest.mark.thread_unsafe(reason="has threads of its own")
    return mark(pytest.mark.usefixtures("switch_often")(test))


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
        return frame is not None and "wait_while(" in linecache.getline(
            frame.f_code.co_filename, frame.f_lineno
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


# ── who is let in ──────────────────────────────────────────────────────────────────────────────


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


def test_beside_a_writer_there_is_room_for_nobody() -> None:
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
def test_what_is_acquired_again_has_to_be_released_as_often(side: str) -> None:
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
def test_what_this_thread_has_not_acquired_it_cannot_release(side: str) -> None:
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


# ── timeouts ───────────────────────────────────────────────────────────────────────────────────


@concurrent
@both_sides
@pytest.mark.parametrize("timeout", [0, 0.0, 1e-9, 0.05, 0.2])
def test_who_does_not_get_in_in_time_has_nothing(side: str, timeout: float) -> None:
    lock = ReadersWriterLock()
    writer = inside(lock, "writer")
    one = side_of(lock, side)
    for attempt in (
        lambda: one.acquire(timeout),
        lambda: one.acquire(timeout=timeout),
        side_of(lock, side, timeout).acquire,
        lambda: side_of(lock, side, 1000).acquire(timeout),
    ):
        start = time.monotonic()
        assert attempt() is False
        assert time.monotonic() - start >= timeout * 0.99
        with pytest.raises(RuntimeError):
            one.release()
    writer.leave()
    assert is_free(lock)


@both_sides
@pytest.mark.parametrize("timeout", [0, 0.01])
def test_with_raises_a_timeout_error_that_names_the_lock_and_the_time(
    side: str, timeout: float
) -> None:
    lock = ReadersWriterLock()
    writer = inside(lock, "writer")
    purpose = "reading" if side == "reader" else "writing"
    with pytest.raises(TimeoutError) as caught, side_of(lock, side, timeout):
        pytest.fail("in the body")
    assert all(part in str(caught.value) for part in (repr(lock), purpose, str(timeout)))
    writer.leave()
    assert is_free(lock)


WRONG_TIMEOUTS: dict[str, tuple[Any, type[Exception]]] = {
    "text": ("soon", TypeError),
    "list": ([1], TypeError),
    "negative": (-1, ValueError),
    "a little negative": (-0.25, ValueError),
    "nan": (float("nan"), ValueError),
    "infinite": (float("inf"), OverflowError),
    "too large": (5e9, OverflowError),
}
wrong_timeouts = pytest.mark.parametrize(
    ("timeout", "error"), WRONG_TIMEOUTS.values(), ids=WRONG_TIMEOUTS
)


@both_sides
@wrong_timeouts
@pytest.mark.parametrize("state", ["free", "held by another", "held"])
def test_a_wrong_timeout_is_named_and_changes_nothing(
    side: str, state: str, timeout: Any, error: type[Exception]
) -> None:
    """Also where there is nothing to wait for."""
    lock = ReadersWriterLock()
    other = inside(lock, "writer") if state == "held by another" else None
    with contextlib.ExitStack() as stack:
        if state == "held":
            stack.enter_context(lock.writer())
        before = repr(lock)
        attempts: list[Callable[[], Any]] = [
            lambda: side_of(lock, side).acquire(timeout),
            lambda: side_of(lock, side, timeout).acquire(),
            lambda: side_of(lock, side, timeout).__enter__(),
        ]
        for attempt in attempts:
            with pytest.raises(error) as caught:
                attempt()
            assert str(timeout) in str(caught.value)
            assert repr(lock) == before
    if other is not None:
        other.leave()
    assert is_free(lock)


@both_sides
def test_an_error_of_the_timeout_itself_propagates(side: str) -> None:
    class Broken:
        def __float__(self) -> float:
            raise LookupError("no float")

    lock = ReadersWriterLock()
    writer = inside(lock, "writer")
    with pytest.raises(LookupError, match="no float"):
        side_of(lock, side).acquire(Broken())
    writer.leave()
    assert is_free(lock)


@concurrent
def test_when_a_writer_gives_up_the_readers_behind_it_go_in() -> None:
    lock = ReadersWriterLock()
    reader = inside(lock, "reader")
    writer = queued(lock, "writer", timeout=0.5)
    behind = [Other(lock, "reader") for _ in range(2)]
    assert writer.has_given_up()
    for other in behind:
        assert other.enters()  # beside the first reader
    assert not reader.waits()
    for other in [reader, *behind]:
        other.leave()
    assert is_free(lock)


@concurrent
def test_who_gives_up_in_the_middle_of_the_queue_is_not_missed() -> None:
    lock = ReadersWriterLock()
    holder = inside(lock, "writer")
    first = queued(lock, "reader")
    givers = [queued(lock, side, timeout=0.2) for side in ("writer", "reader", "writer")]
    second = queued(lock, "reader")
    last = queued(lock, "writer")
    assert all(giver.has_given_up() for giver in givers)
    holder.leave()
    assert first.enters()
    assert second.enters()
    assert not last.is_inside.is_set()
    first.leave()
    second.leave()
    assert last.enters()
    last.leave()
    assert is_free(lock)


@concurrent
@both_sides
def test_when_all_have_given_up_there_is_no_queue_any_more(side: str) -> None:
    lock = ReadersWriterLock()
    holder = inside(lock, "reader")
    run_threads(*[lambda: lock.writer().acquire(0.05)] * THREADS)
    assert can_enter(lock, "reader")
    holder.leave()
    assert can_enter(lock, side)
    assert is_free(lock)


# ── fairness ───────────────────────────────────────────────────────────────────────────────────


@concurrent
def test_readers_that_come_after_a_writer_wait_behind_it() -> None:
    lock = ReadersWriterLock()
    reader = inside(lock, "reader")
    writer = queued(lock, "writer")
    assert not can_enter(lock, "reader")
    late = queued(lock, "reader")
    reader.leave()
    assert writer.enters()
    assert not late.is_inside.is_set()
    writer.leave()
    assert late.enters()
    late.leave()
    assert is_free(lock)


@concurrent
@pytest.mark.parametrize("first", ["reader", "writer"])
def test_first_come_first_served(first: str, seed: int) -> None:
    """Readers next to each other in the queue go in together, nobody before its time."""
    choose = random.Random(seed)
    lock = ReadersWriterLock()
    holder = inside(lock, first)
    sides = ["writer"] + [choose.choice(["reader", "reader", "writer"]) for _ in range(9)]
    waiting = [queued(lock, side) for side in sides]
    groups: list[list[Other]] = []
    for side, together in itertools.groupby(waiting, lambda other: other.side):
        group = [*together]
        groups += [group] if side == "reader" else [[other] for other in group]
    holder.leave()
    for number, group in enumerate(groups):
        behind = [other for later in groups[number + 1 :] for other in later]
        for other in group:
            assert other.enters()
        for other in group:
            assert not any(later.is_inside.is_set() for later in behind)
            other.leave()
    assert is_free(lock)


@concurrent
def test_a_stream_of_readers_does_not_keep_writers_out() -> None:
    lock = ReadersWriterLock()
    arrivals = AtomicInt()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            with lock.reader():
                mine = arrivals.increment_and_get()
                arrivals.notify_all()
                # Until the next reader is in: there is always one. Unless a writer keeps it out.
                arrivals.wait_while(mine, 0.02)

    with background(*[read] * 3):
        try:
            for _ in range(10):
                with lock.writer(timeout=PATIENCE):
                    pass
        finally:
            done.set()
    assert is_free(lock)


@concurrent
def test_a_stream_of_writers_does_not_keep_readers_out() -> None:
    lock = ReadersWriterLock()
    arrivals = AtomicInt()
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            mine = arrivals.increment_and_get()
            arrivals.notify_all()
            with lock.writer():
                # Until the next writer is on its way in: there is always one that waits.
                arrivals.wait_while(mine, 0.02)

    with background(*[write] * 3):
        try:
            for _ in range(10):
                with lock.reader(timeout=PATIENCE):
                    pass
        finally:
            done.set()
    assert is_free(lock)


@concurrent
@pytest.mark.parametrize("side", ["reader", "writer"])
def test_a_writer_that_comes_back_at_once_does_not_pass_the_first_of_the_queue_for_long(
    side: str,
) -> None:
    """Also if the first looks only while the lock is taken, as a thread that sleeps may do."""

    class Unlucky(ReadersWriterLock):
        __slots__ = ()

        def _looks(self, place: Any, *others: Any) -> bool:
            if place.counts:  # in the queue
                time.sleep(0.001)
                if not self._state & locks._TURN:
                    return False
            return super()._looks(place, *others)

    lock = Unlucky()
    other_side = side_of(lock, side)
    passed = 0
    with lock.writer() as writer:

        def enter() -> int:
            with other_side:
                return passed

        other = Task(enter)
        other.start()
        for _ in range(200):
            time.sleep(0.002)
            writer.release()
            assert writer.acquire()
            passed += 1
    assert other.result() < 100
    assert is_free(lock)


# ── who is inside, while others wait ───────────────────────────────────────────────────────────


@concurrent
def test_a_reader_may_read_again_while_a_writer_waits() -> None:
    lock = ReadersWriterLock()
    with lock.reader():
        writer = queued(lock, "writer")
        with lock.reader(timeout=0), lock.reader():
            assert not can_enter(lock, "reader")
        assert not writer.is_inside.is_set()
        with pytest.raises(RuntimeError):
            lock.writer().acquire()
    assert writer.enters()
    writer.leave()
    assert is_free(lock)


@concurrent
@both_sides
def test_a_writer_may_write_and_read_again_while_others_wait(side: str) -> None:
    lock = ReadersWriterLock()
    with lock.writer():
        others = [queued(lock, side), queued(lock, "writer")]
        with lock.writer(timeout=0), lock.reader(timeout=0):
            assert not any(other.is_inside.is_set() for other in others)
    for other in others:
        assert other.enters()
        other.leave()
    assert is_free(lock)


@concurrent
def test_when_a_writer_becomes_a_reader_those_go_in_who_read_and_are_first() -> None:
    lock = ReadersWriterLock()
    lock.writer().acquire()
    lock.reader().acquire()
    readers = [queued(lock, "reader") for _ in range(2)]
    writer = queued(lock, "writer")
    late = queued(lock, "reader")
    lock.writer().release()
    for reader in readers:
        assert reader.enters()
    for reader in readers:
        reader.leave()
    assert not can_enter(lock, "reader")
    assert not writer.is_inside.is_set()
    lock.reader().release()
    assert writer.enters()
    assert not late.is_inside.is_set()
    writer.leave()
    assert late.enters()
    late.leave()
    assert is_free(lock)


@concurrent
def test_readers_are_inside_at_the_same_time() -> None:
    lock = ReadersWriterLock()
    together = threading.Barrier(THREADS)

    def read() -> None:
        for _ in range(10):
            with lock.reader():
                together.wait(PATIENCE)

    run_threads(*[read] * THREADS)
    assert is_free(lock)


# ── many threads ───────────────────────────────────────────────────────────────────────────────


class Pair:
    """Two numbers that are equal, but for a moment while they are written."""

    def __init__(self) -> None:
        self.lock = ReadersWriterLock()
        self.numbers = [0, 0]

    def check(self) -> int:
        first = self.numbers[0]
        time.sleep(0)  # others may run, but not write
        assert self.numbers == [first, first]
        return first

    def change(self) -> None:
        before = self.check()
        self.numbers[0] += 1
        time.sleep(0)
        self.numbers[1] += 1
        assert self.check() == before + 1

    def read(self) -> None:
        with self.lock.reader():
            before = self.check()
            with self.lock.reader():
                assert self.check() == before

    def write(self) -> None:
        with self.lock.writer():
            self.change()

    def write_and_read(self) -> None:
        reader, writer = self.lock.reader(), self.lock.writer()
        writer.acquire()
        reader.acquire()
        self.change()
        mine = self.numbers[0]
        writer.release()
        assert self.check() == mine  # no other writer has come in between
        reader.release()


@concurrent
@pytest.mark.parametrize("chance_to_read", [0.9, 0.5, 0.1])
def test_nobody_sees_what_a_writer_has_half_done(chance_to_read: float, seed: int) -> None:
    pair = Pair()

    def work(number: int) -> int:
        choose = random.Random(seed + number)
        written = 0
        for _ in range(150):
            timeout = choose.choice([None, PATIENCE, 0, choose.random() / 1000])
            reads = choose.random() < chance_to_read
            try:
                with pair.lock.reader(timeout) if reads else pair.lock.writer(timeout):
                    if reads:
                        pair.read()
                        continue
                    if choose.random() < 0.5:
                        pair.write()
                    else:
                        pair.write_and_read()
                    written += 1
            except TimeoutError:
                continue
        return written

    works: list[Callable[[], int]] = [lambda n=n: work(n) for n in range(THREADS)]  # type: ignore[misc]
    assert pair.numbers == [sum(run_threads(*works))] * 2
    assert is_free(pair.lock)


@concurrent
def test_a_writer_that_goes_on_reading_lets_no_other_writer_in_between() -> None:
    pair = Pair()

    def work() -> None:
        for _ in range(100):
            pair.write_and_read()
            pair.read()

    run_threads(*[work] * THREADS)
    assert pair.numbers == [100 * THREADS] * 2
    assert is_free(pair.lock)


class Room:
    """Counts who is in it."""

    def __init__(self) -> None:
        self.lock = ReadersWriterLock()
        self.readers, self.writers = AtomicInt(), AtomicInt()

    def visit(self, side: str) -> None:
        mine = self.readers if side == "reader" else self.writers
        with side_of(self.lock, side):
            mine.increment_and_get()
            time.sleep(0)
            readers, writers = self.readers.get(), self.writers.get()
            assert (writers == 0) if side == "reader" else (readers, writers) == (0, 1)
            mine.decrement_and_get()


@concurrent
@pytest.mark.parametrize("sides", [("reader", "writer"), ("writer", "writer"), ("writer",) * 3])
def test_of_those_who_come_and_go_at_once_none_is_let_in_beside_another_or_forgotten(
    sides: tuple[str, ...],
) -> None:
    rooms = [Room() for _ in range(1000 if len(sides) == 2 else 200)]

    def visit(side: str) -> Callable[[Room], None]:
        def work(room: Room) -> None:
            for _ in range(2):
                room.visit(side)

        return work

    meet(rooms, *map(visit, sides))
    for room in rooms:
        assert "0 readers inside" in repr(room.lock)
        assert room.lock.writer().acquire(timeout=0)


@concurrent
def test_of_many_that_do_not_wait_one_gets_in() -> None:
    """A lock that is free is not missed by all because they all try at once."""
    locks = [ReadersWriterLock() for _ in range(300)]
    found = meet(locks, *[lambda lock: lock.writer().acquire(timeout=0)] * THREADS)
    assert all(sum(entered) == 1 for entered in found)
    locks = [ReadersWriterLock() for _ in range(300)]
    found = meet(locks, *[lambda lock: lock.reader().acquire(timeout=0)] * THREADS)
    assert all(all(entered) for entered in found)


# ── signals, fork, the end ─────────────────────────────────────────────────────────────────────


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_posix_signals
@pytest.mark.parametrize("timeout", ["", "1000"])
@pytest.mark.parametrize("how", ["acquire", "__enter__"])
@pytest.mark.parametrize(
    ("holder", "side"), [("writer", "reader"), ("reader", "writer"), ("writer", "writer")]
)
def test_ctrl_c_ends_a_wait_and_those_behind_go_on(
    holder: str, side: str, how: str, timeout: str
) -> None:
    run_program(f"""
        import signal, threading, time
        from cereggii import ReadersWriterLock
        # Not installed where the tests run in the background of a shell, with SIGINT ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        lock = ReadersWriterLock()
        held, go, behind_is_in = threading.Event(), threading.Event(), threading.Event()

        def hold():
            with lock.{holder}():
                held.set()
                assert go.wait(20)

        def wait_behind():
            time.sleep(0.1)
            with lock.reader():
                behind_is_in.set()

        def interrupt():
            time.sleep(0.3)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        threads = [threading.Thread(target=work, daemon=True)
                   for work in (hold, wait_behind, interrupt)]
        threads[0].start()
        assert held.wait(20)
        threads[1].start()
        threads[2].start()
        try:
            lock.{side}({timeout}).{how}()
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError("not interrupted")
        for one in (lock.reader(), lock.writer()):
            try:
                one.release()
            except RuntimeError:
                pass
            else:
                raise AssertionError("held")
        if {holder!r} == "reader":
            assert behind_is_in.wait(20)
        go.set()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
        assert behind_is_in.is_set()
        with lock.writer(timeout=0):
            pass
    """)


BESIDE = """
    import contextlib, random, signal, sys, threading, time
    from cereggii import ReadersWriterLock, locks

    choose = random.Random(int(sys.argv[1]))
    lock = ReadersWriterLock()

    @contextlib.contextmanager
    def others(count):
        # Threads that use the lock, too, and never wait for long.
        done, stuck = threading.Event(), []

        def use(number):
            while not done.is_set():
                one = lock.writer() if number % 2 else lock.reader()
                if not one.acquire(timeout=15):
                    stuck.append(number)
                    return
                one.release()

        threads = [threading.Thread(target=use, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            done.set()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
        assert not stuck
        assert lock.writer().acquire(timeout=0), lock

    armed = []

    def signal_soon():
        # In the next microseconds; so, often, while the main thread is in the lock's code.
        armed.append(True)
        signal.setitimer(signal.ITIMER_REAL, 10 ** choose.uniform(-6, -4))

    def release_all():
        # How often the main thread had it.
        released = 0
        for one in (lock.writer(), lock.reader()):
            with contextlib.suppress(RuntimeError):
                while True:
                    one.release()
                    released += 1
        return released
"""


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_posix_signals
@pytest.mark.parametrize("others", [0, 2])
@pytest.mark.parametrize("method", ["acquire", "__enter__", "release"])
def test_a_method_that_is_interrupted_leaves_the_lock_held_or_not_but_never_in_between(
    method: str, others: int, seed: int
) -> None:
    """Whatever the moment: who is interrupted in acquire has nothing, in release at most that."""
    run_program(
        BESIDE
        + f"""
    class Interrupted(Exception):
        pass

    def handler(_signal, frame):
        # The method of a side that it interrupts, if any: the outermost of the lock's functions.
        method = None
        while frame is not None:
            if frame.f_code.co_filename == locks.__file__:
                method = frame.f_code.co_name
            frame = frame.f_back
        if armed and method == {method!r}:
            raise Interrupted

    def acquire(one):
        signal_soon()
        assert one.acquire(timeout)
        return 1

    def __enter__(one):
        signal_soon()
        with one:
            pass
        return 0

    def release(one):
        assert one.acquire(timeout)
        also_reads = choose.random() < 0.3
        if also_reads:
            lock.reader().acquire()
        signal_soon()
        one.release()
        return also_reads

    signal.signal(signal.SIGALRM, handler)
    timeout = 15 if {others} else None
    interrupted = 0
    begin = time.monotonic()
    with others({others}):
        while (elapsed := time.monotonic() - begin) < 0.7 or (not interrupted and elapsed < 15):
            one = choose.choice([lock.reader, lock.writer])({"timeout" * (method == "__enter__")})
            try:
                has = {method}(one)
            except Interrupted:
                armed.clear()
                interrupted += 1
                assert release_all() <= 2 * ({method!r} == "release"), interrupted
            else:
                armed.clear()
                assert release_all() == has
            if not {others}:
                assert lock.writer().acquire(timeout=0), (lock, interrupted)
                lock.writer().release()
    assert interrupted
    """,
        str(seed),
    )


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_posix_signals
def test_a_signal_handler_may_use_the_lock_whatever_it_interrupts(seed: int) -> None:
    run_program(
        BESIDE
        + """
    def handler(*_):
        handled.append(True)
        for one in (lock.reader(), lock.writer()):
            with contextlib.suppress(RuntimeError):  # it may have interrupted a reader, or a wait
                if one.acquire(timeout=0.0005):
                    one.release()
    handled = []
    signal.signal(signal.SIGALRM, handler)

    begin = time.monotonic()
    with others(2):
        while (elapsed := time.monotonic() - begin) < 1 or (not handled and elapsed < 15):
            for one in (lock.reader(), lock.writer()):
                signal_soon()
                assert one.acquire(timeout=15)
                one.release()
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert handled
    """,
        str(seed),
    )


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_posix_signals
@pytest.mark.parametrize("handled", ["reader", "writer"])
@both_sides
def test_a_signal_handler_that_interrupts_a_wait_is_told_that_it_would_wait_for_itself(
    side: str, handled: str
) -> None:
    run_program(f"""
        import signal, threading, time
        from cereggii import ReadersWriterLock
        lock, told = ReadersWriterLock(), []
        held, go = threading.Event(), threading.Event()

        def hold():
            with lock.writer():
                held.set()
                go.wait(20)

        def handler(*_):
            try:
                lock.{handled}().acquire()
            except RuntimeError as error:
                told.append(str(error))
            go.set()

        signal.signal(signal.SIGUSR1, handler)
        thread = threading.Thread(target=hold)
        thread.start()
        assert held.wait(20)
        def interrupt():
            time.sleep(0.2)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
        interrupter = threading.Thread(target=interrupt)
        interrupter.start()
        with lock.{side}():
            pass
        assert len(told) == 1 and "ReadersWriterLock" in told[0], told
        thread.join()
        interrupter.join()
        with lock.writer(timeout=0), lock.{side}(timeout=0):
            pass
    """)


@pytest.mark.thread_unsafe(reason="starts processes, and measures time")
@needs_posix_signals
def test_a_wait_goes_on_after_a_signal_that_raises_nothing() -> None:
    run_program("""
        import signal, threading, time
        from cereggii import ReadersWriterLock
        lock = ReadersWriterLock()
        held, go = threading.Event(), threading.Event()
        def hold():
            with lock.writer():
                held.set()
                go.wait(20)
        thread = threading.Thread(target=hold)
        thread.start()
        assert held.wait(20)
        count = []
        signal.signal(signal.SIGALRM, lambda *_: count.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        for side in (lock.reader(), lock.writer()):
            start = time.monotonic()
            assert side.acquire(timeout=0.3) is False
            assert time.monotonic() - start >= 0.29
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert len(count) >= 2, count
        go.set()
        thread.join()
        assert lock.writer().acquire(timeout=0)
    """)


@pytest.mark.thread_unsafe(reason="starts processes")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no os.fork here")
@both_sides
@pytest.mark.parametrize("timeout", [0, 5])
def test_what_the_forking_thread_has_the_child_can_release_and_acquire(
    side: str, timeout: int
) -> None:
    """The threads that waited are not in the child: nobody waits for them there."""
    run_program(f"""
        import faulthandler, os, threading, time, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from cereggii import ReadersWriterLock
        lock = ReadersWriterLock()
        lock.{side}().acquire()
        entered = []
        def wait(one):
            with one:
                entered.append(one)
        threads = [threading.Thread(target=wait, args=(one,), daemon=True)
                   for one in (lock.writer(), lock.reader(), lock.writer())]
        for thread in threads:
            thread.start()
            time.sleep(0.05)
        child = os.fork()
        if child == 0:
            faulthandler.dump_traceback_later(20, exit=True)
            code = 1
            try:
                lock.{side}().release()
                for one in (lock.reader(), lock.writer(), lock.reader()):
                    assert one.acquire({timeout}), lock
                    thread = threading.Thread(target=wait, args=(lock.writer(),))
                    thread.start()
                    time.sleep(0.02)
                    one.release()
                    thread.join()
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status
        assert not entered
        lock.{side}().release()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
        assert lock.writer().acquire(timeout=0)
    """)


@pytest.mark.thread_unsafe(reason="starts processes")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no os.fork here")
@both_sides
def test_a_thread_that_is_about_to_queue_up_is_not_counted_in_the_child(side: str) -> None:
    """It is stopped, here, where it has not been seen by others yet."""
    run_program(f"""
        import faulthandler, os, threading, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from cereggii import ReadersWriterLock
        lock = ReadersWriterLock()
        last, reached, go = lock._last, threading.Event(), threading.Event()
        class Slow:
            def __getattr__(self, name):
                if threading.current_thread() is thread:
                    reached.set()
                    go.wait(20)
                return getattr(last, name)
        def wait():
            with lock.{side}():
                pass
        thread = threading.Thread(target=wait, daemon=True)
        with lock.writer():
            lock._last = Slow()
            thread.start()
            assert reached.wait(20)
            child = os.fork()
        if child == 0:
            faulthandler.dump_traceback_later(20, exit=True)
            code = 1
            try:
                lock._last = last
                for one in (lock.reader(), lock.writer()):
                    assert one.acquire(timeout=0), lock
                    one.release()
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status
        go.set()
        thread.join(20)
        assert not thread.is_alive()
        assert lock.writer().acquire(timeout=0)
    """)


@pytest.mark.thread_unsafe(reason="starts processes")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no os.fork here")
def test_a_fork_of_a_fork_forgets_who_waited_before_the_first() -> None:
    """Also if the thread that forks has the id of the one that waited, as is likely."""
    run_program("""
        import os, threading, time, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from cereggii import ReadersWriterLock
        lock = ReadersWriterLock()
        writer = lock.writer()
        writer.acquire()
        def wait():
            with lock.writer():
                pass
        threading.Thread(target=wait, daemon=True).start()
        time.sleep(0.1)
        def fork(action):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    action()
                    code = 0
                finally:
                    os._exit(code)
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == 0, status
        def in_grandchild():
            assert lock.writer().acquire(timeout=5), lock
        def in_child():
            writer.release()
            errors = []
            def fork_again():
                try:
                    fork(in_grandchild)
                except BaseException as error:
                    errors.append(error)
            thread = threading.Thread(target=fork_again)
            thread.start()
            thread.join()
            assert not errors, errors
        fork(in_child)
        os._exit(0)
    """)


@pytest.mark.thread_unsafe(reason="starts processes")
def test_daemon_threads_that_wait_do_not_keep_the_interpreter_from_ending() -> None:
    assert "the end" in run_program("""
        import threading, time
        from cereggii import ReadersWriterLock
        lock = ReadersWriterLock()
        lock.writer().acquire()
        for side in (lock.reader(), lock.writer()):
            threading.Thread(target=side.acquire, daemon=True).start()
        time.sleep(0.1)
        print("the end")
    """)


# ── as an object ───────────────────────────────────────────────────────────────────────────────


class Named(ReadersWriterLock):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.asked = 0

    def reader(self, timeout: float | None = None) -> Any:
        self.asked += 1
        return super().reader(timeout)


def test_the_repr_tells_who_is_inside() -> None:
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
def test_the_repr_counts_only_who_is_inside() -> None:
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
def test_a_lock_is_not_copied(make_copy: Callable[[Any], Any], make: Callable[[], Any]) -> None:
    lock = make()
    with pytest.raises(TypeError):
        make_copy(lock)
    with lock.writer(), pytest.raises(TypeError):
        make_copy(lock)
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
    """And not only when the threads end that have used it."""
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

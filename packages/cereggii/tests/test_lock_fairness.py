# SPDX-License-Identifier: Apache-2.0
"""Waiting threads enter a ReadersWriterLock in order, while others come and go."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from cereggii import AtomicInt, ReadersWriterLock, _lock_queue

from tools.testing.concurrency import PATIENCE, Task, background, concurrent, meet, run_threads

from .lock_threads import THREADS, Other, both_sides, can_enter, inside, is_free, queued, side_of

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
    """The first of the queue may look only while the lock is taken, as a sleeping thread may do."""

    class Unlucky(ReadersWriterLock):
        __slots__ = ()

        def _looks(self, place: Any, *others: Any) -> bool:
            if place.counts:  # in the queue
                time.sleep(0.001)
                if not self._state & _lock_queue.TURN:
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


# ── holders, while others wait ─────────────────────────────────────────────────────────────────


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
def test_the_first_readers_go_in_when_a_writer_becomes_a_reader() -> None:
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
def test_no_thread_sees_a_half_done_write(chance_to_read: float, seed: int) -> None:
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
def test_threads_that_come_and_go_at_once_are_neither_let_in_wrongly_nor_forgotten(
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
def test_one_of_many_threads_that_do_not_wait_gets_in() -> None:
    """A lock that is free is not missed by all because they all try at once."""
    locks = [ReadersWriterLock() for _ in range(300)]
    found = meet(locks, *[lambda lock: lock.writer().acquire(timeout=0)] * THREADS)
    assert all(sum(entered) == 1 for entered in found)
    locks = [ReadersWriterLock() for _ in range(300)]
    found = meet(locks, *[lambda lock: lock.reader().acquire(timeout=0)] * THREADS)
    assert all(all(entered) for entered in found)

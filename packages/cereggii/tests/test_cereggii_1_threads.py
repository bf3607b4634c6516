# SPDX-License-Identifier: Apache-2.0
"""A program for cereggii 1.x uses the classes that threads wait with, and ThreadSet, as before."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tools.testing.concurrency import PATIENCE, Task, give_time_to_block, run_threads

from .cereggii_1 import (
    MAX,
    AtomicEvent,
    CountDownLatch,
    Decorator,
    ReadersWriterLock,
    ThreadSet,
    call_once,
    has_threads,
)

# ── AtomicEvent, CountDownLatch, call_once ─────────────────────────────────────────────────────


@has_threads
def test_an_event_lets_the_waiting_go_on() -> None:
    event = AtomicEvent()
    assert not event.is_set()
    waiting = [Task(event.wait) for _ in range(3)]
    for task in waiting:
        task.start()
    give_time_to_block()
    assert all(task.is_alive() for task in waiting)
    assert event.set() is None
    assert event.is_set()
    for task in waiting:
        task.result()
    event.set()
    event.wait()


def test_a_latch_counts_down_to_zero_and_stays_there() -> None:
    latch = CountDownLatch(count=2)
    assert latch.decrement() is None
    assert latch.get() == 1
    assert [latch.decrement_and_get() for _ in range(3)] == [0, 0, 0]
    latch.decrement()
    assert latch.get() == 0
    latch.wait()
    CountDownLatch(0).wait()
    assert repr(CountDownLatch(3)).startswith("<CountDownLatch(count=3) at 0x")
    with pytest.raises(ValueError, match=r"."):
        CountDownLatch(-1)
    for wrong in ("1", 1.5):
        with pytest.raises(TypeError):
            CountDownLatch(wrong)
    with pytest.raises(OverflowError):
        CountDownLatch(MAX + 1)


@has_threads
def test_a_latch_opens_at_zero() -> None:
    latch = CountDownLatch(3)
    waiting = Task(latch.wait)
    waiting.start()
    assert run_threads(latch.decrement, latch.decrement) == [None, None]
    give_time_to_block()
    assert waiting.is_alive()
    assert latch.decrement_and_get() == 0
    waiting.result()


def test_a_function_is_called_once() -> None:
    calls = []

    def prepare(*args: Any, **kwargs: Any) -> Any:
        """What it does."""
        calls.append((args, kwargs))
        return kwargs

    once = call_once(prepare)
    assert once(1, b=2) is once(3)
    assert calls == [((1,), {"b": 2})]
    assert (once.__name__, once.__doc__) == ("prepare", "What it does.")
    assert once.__wrapped__ is prepare
    assert call_once(func=lambda: None)() is None


def test_an_exception_of_the_only_call_is_raised_again() -> None:
    calls = []

    def fail() -> None:
        calls.append(1)
        raise LookupError

    once = call_once(fail)
    raised = []
    for _ in range(3):
        with pytest.raises(LookupError) as caught:
            once()
        raised.append(caught.value)
    assert len(calls) == 1
    assert len(raised) == 3


@has_threads
def test_all_threads_get_the_result_of_the_only_call() -> None:
    entered = threading.Event()
    opened = threading.Event()

    def make_thing() -> object:
        assert not entered.is_set()
        entered.set()
        assert opened.wait(PATIENCE)
        return object()

    once = call_once(make_thing)
    tasks = [Task(once) for _ in range(4)]
    for task in tasks:
        task.start()
    assert entered.wait(PATIENCE)
    give_time_to_block()
    opened.set()
    assert len({id(task.result()) for task in tasks}) == 1


# ── ThreadSet ──────────────────────────────────────────────────────────────────────────────────


@has_threads
def test_thread_sets_are_made_with_decorators() -> None:
    seen: list[Any] = []
    repeat: Decorator = ThreadSet.repeat(3)

    @repeat
    def workers() -> None:
        seen.append("worker")

    assert isinstance(workers, ThreadSet)
    assert len(workers) == 3
    assert workers.start() is None
    workers.join()
    assert seen == ["worker"] * 3

    by_args = ThreadSet.with_args(ThreadSet.Args(1, color="red"), ThreadSet.Args(2, "blue"))
    spam = by_args(lambda thread_id, color: seen.append((thread_id, color)))
    spam.start_and_join()
    assert sorted(seen[3:]) == [(1, "red"), (2, "blue")]

    make_thread = ThreadSet.target(lambda thread_id, color: seen.append((thread_id, color)))
    assert isinstance(make_thread(0, "none"), threading.Thread)
    ThreadSet(make_thread(3, color="red"), make_thread(4, "blue")).start_and_join(PATIENCE)
    assert sorted(seen[5:]) == [(3, "red"), (4, "blue")]


@has_threads
def test_thread_sets_are_made_of_ranges() -> None:
    for arguments in [(5,), (1, 4), (1, 10, 3), (10, 0, -3), (0,)]:
        seen: list[int] = []
        workers = ThreadSet.range(*arguments)(seen.append)
        workers.start_and_join(join_timeout=PATIENCE)
        assert sorted(seen) == sorted(range(*arguments))
    assert len(ThreadSet.range(start=1, stop=4)(print)) == 3
    assert len(ThreadSet.repeat(times=2)(print)) == 2


@has_threads
def test_thread_sets_tell_whether_their_threads_are_alive() -> None:
    opened = threading.Event()
    workers = ThreadSet.repeat(2)(lambda: opened.wait(PATIENCE))
    assert list(workers.is_alive()) == [False, False]
    workers.start()
    assert list(workers.is_alive()) == [True, True]
    workers.join(timeout=0.01)
    assert (workers.any_is_alive(), workers.all_are_alive()) == (True, True)
    assert not workers.all_are_not_alive()
    opened.set()
    workers.join()
    assert (workers.any_is_alive(), workers.all_are_alive()) == (False, False)
    assert workers.all_are_not_alive()


def test_thread_sets_are_sets() -> None:
    first, second = threading.Thread(), threading.Thread()
    left, right = ThreadSet(first, first), ThreadSet(second)
    union = left | right
    assert [len(threads) for threads in (left, right, union, ThreadSet())] == [1, 1, 2, 0]
    before = left
    left |= right
    assert left is before
    assert len(left | union) == 2
    for wrong in (5, {first}):
        with pytest.raises(TypeError):
            left | wrong
        with pytest.raises(TypeError):
            left |= wrong
    with pytest.raises(TypeError):
        ThreadSet.with_args((1, 2))(print)


def test_a_subclass_of_thread_set_makes_threads_of_its_own() -> None:
    class Thread(threading.Thread):
        pass

    class Threads(ThreadSet):  # type: ignore[misc, valid-type]
        thread_factory = Thread

    made = []
    workers = Threads.repeat(2)(print)
    assert isinstance(workers, Threads)
    assert isinstance(workers | Threads(), Threads)
    made.append(Threads.target(print)())
    assert isinstance(made[0], Thread)


# ── ReadersWriterLock ──────────────────────────────────────────────────────────────────────────


def test_a_lock_is_had_again_in_the_same_way() -> None:
    lock = ReadersWriterLock()
    for make_side in (lock.reader, lock.writer):
        with make_side() as outer, make_side() as inner:
            assert type(outer) is type(inner)
        side = make_side()
        side.acquire()
        make_side().acquire()
        side.release()
        assert make_side().release() is None
    assert isinstance(lock.reader(), ReadersWriterLock.ReaderLock)
    assert isinstance(lock.writer(), ReadersWriterLock.WriterLock)


@has_threads
def test_readers_share_the_lock_and_a_writer_has_it_alone() -> None:
    lock = ReadersWriterLock()
    together = threading.Barrier(2)

    def read() -> None:
        with lock.reader():
            together.wait(PATIENCE)

    def write() -> None:
        with lock.writer():
            pass

    run_threads(read, read)
    for side, others in [(lock.writer(), (read, read, write)), (lock.reader(), (write, write))]:
        with side:
            tasks = [Task(other) for other in others]
            for task in tasks:
                task.start()
            give_time_to_block()
            assert all(task.is_alive() for task in tasks)
        for task in tasks:
            task.result()

# SPDX-License-Identifier: Apache-2.0
"""A threading.Condition works with the writers of a ReadersWriterLock."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from cereggii import ReadersWriterLock

from tools.testing.concurrency import (
    PATIENCE,
    Task,
    background,
    concurrent,
    eventually,
    run_threads,
)
from tools.testing.interpreters import run_program
from tools.testing.platforms import needs_thread_signals

from .lock_threads import can_enter, inside, is_free


def depths(lock: ReadersWriterLock) -> tuple[int, int]:
    """How often this thread has the lock for writing and for reading; it has it no more then."""
    counts = []
    for side in (lock.writer(), lock.reader()):
        count = 0
        try:
            while True:
                side.release()
                count += 1
        except RuntimeError:
            counts.append(count)
    return counts[0], counts[1]


def hold(lock: ReadersWriterLock, writes: int, reads: int) -> None:
    for side, times in ((lock.writer(), writes), (lock.reader(), reads)):
        for _ in range(times):
            side.acquire()


each_depth = pytest.mark.parametrize(("writes", "reads"), [(1, 0), (2, 0), (1, 1), (3, 2)])


@each_depth
@pytest.mark.parametrize("own", [None, 0, 0.001])
def test_a_wait_that_ends_by_its_timeout_has_the_lock_as_often_as_before(
    writes: int, reads: int, own: float | None
) -> None:
    lock = ReadersWriterLock()
    condition = threading.Condition(lock.writer(own))  # type: ignore[arg-type]
    hold(lock, writes, reads)
    start = time.monotonic()
    assert condition.wait(0.02) is False
    assert time.monotonic() - start >= 0.019
    assert condition.wait_for(lambda: False, 0.02) is False
    assert not can_enter(lock, "reader")
    assert depths(lock) == (writes, reads)
    assert is_free(lock)


@concurrent
@each_depth
def test_a_wait_gives_back_the_whole_lock_until_it_is_notified(writes: int, reads: int) -> None:
    lock = ReadersWriterLock()
    condition = threading.Condition(lock.writer())  # type: ignore[arg-type]
    has_waited: list[bool] = []

    def wait() -> tuple[int, int]:
        hold(lock, writes, reads)
        has_waited.append(condition.wait(PATIENCE))
        return depths(lock)

    with background(wait) as (task,):
        assert eventually(lambda: bool(condition._waiters) and is_free(lock))  # type: ignore[attr-defined]
        with lock.reader():
            assert can_enter(lock, "reader")
        with condition:
            condition.notify()
            assert not has_waited
        assert task.result() == (writes, reads)
    assert has_waited == [True]
    assert is_free(lock)


@concurrent
def test_a_wait_takes_the_lock_back_however_long_that_takes() -> None:
    """A timeout of the side makes no difference: it is for `acquire` and `with`."""
    lock = ReadersWriterLock()
    condition = threading.Condition(lock.writer(timeout=0.001))  # type: ignore[arg-type]
    timed_out = threading.Event()

    def wait() -> tuple[int, int]:
        with condition:
            assert condition.wait(0.1) is False
            timed_out.set()
            assert lock.writer().locked()
        return depths(lock)

    waiting = Task(wait)
    waiting.start()
    assert eventually(lambda: bool(condition._waiters))  # type: ignore[attr-defined]
    with lock.writer():
        assert not timed_out.wait(0.4)
    assert waiting.result() == (0, 0)
    assert is_free(lock)


@concurrent
def test_notify_all_lets_all_go_on_one_after_the_other() -> None:
    lock = ReadersWriterLock()
    condition = threading.Condition(lock.writer())  # type: ignore[arg-type]
    ready: list[int] = []
    together: list[int] = []
    state = {"open": False, "inside": 0}

    def wait() -> None:
        with condition:
            ready.append(1)
            assert condition.wait_for(lambda: state["open"], PATIENCE)
            state["inside"] += 1
            time.sleep(0)
            together.append(state["inside"])
            state["inside"] -= 1

    with background(*[wait] * 6):
        assert eventually(lambda: len(ready) == 6)
        with condition:
            state["open"] = True
            condition.notify_all()
    assert together == [1] * 6
    assert is_free(lock)


@concurrent
def test_a_bounded_buffer_of_a_condition_loses_nothing(seed: int) -> None:
    lock = ReadersWriterLock()
    writer = lock.writer()
    not_full, not_empty = threading.Condition(writer), threading.Condition(writer)  # type: ignore[arg-type]
    buffer: deque[int] = deque()
    count, producers, consumers = 300, 3, 3

    def produce(number: int) -> None:
        choose = random.Random(seed + number)
        for n in range(count):
            with not_full:
                while len(buffer) >= 2:
                    not_full.wait(choose.choice([None, 0.001, PATIENCE]))
                buffer.append(number * count + n)
                not_empty.notify()

    def consume(number: int) -> list[int]:
        choose = random.Random(seed - number - 1)
        taken = []
        for _ in range(count):
            with not_empty:
                while not buffer:
                    not_empty.wait(choose.choice([None, 0.001, PATIENCE]))
                taken.append(buffer.popleft())
                not_full.notify()
        return taken

    def look() -> None:
        for _ in range(count):
            with lock.reader():
                assert len(buffer) <= 2

    works: list[Callable[[], Any]] = [
        *(lambda n=n: produce(n) for n in range(producers)),  # type: ignore[misc]
        *(lambda n=n: consume(n) for n in range(consumers)),  # type: ignore[misc]
        look,
    ]
    results = run_threads(*works)
    taken = [item for items in results[producers : producers + consumers] for item in items]
    assert sorted(taken) == [*range(count * producers)]
    assert is_free(lock)


def test_only_the_thread_that_writes_may_wait_and_notify() -> None:
    lock = ReadersWriterLock()
    condition = threading.Condition(lock.writer())  # type: ignore[arg-type]
    calls: list[Callable[[], Any]] = [
        condition.notify,
        condition.notify_all,
        lambda: condition.wait(0),
        lambda: condition.wait_for(lambda: False, 0),
    ]

    def all_fail() -> None:
        for call in calls:
            with pytest.raises(RuntimeError):
                call()

    all_fail()
    with lock.reader():
        all_fail()
    other = inside(lock, "writer")
    all_fail()
    other.leave()
    with pytest.raises(RuntimeError, match="not held for writing"):
        lock.writer()._release_save()
    assert is_free(lock)
    with condition:
        for call in calls:
            call()
    assert is_free(lock)


def test_a_condition_has_the_methods_of_its_lock() -> None:
    lock = ReadersWriterLock()
    condition = threading.Condition(lock.writer())  # type: ignore[arg-type]
    assert condition.acquire(blocking=False) is True
    assert condition.acquire(timeout=0) is True
    assert lock.writer().locked()
    if hasattr(condition, "locked"):  # from Python 3.14 on
        assert condition.locked() is True
    condition.release()
    condition.release()
    assert is_free(lock)


def test_a_condition_of_readers_is_refused() -> None:
    lock = ReadersWriterLock()
    condition = threading.Condition(lock.reader())  # type: ignore[arg-type]
    calls: list[Callable[[], Any]] = [condition.wait, condition.notify, condition.notify_all]
    with condition:
        for call in calls:
            with pytest.raises(TypeError, match="Condition needs the lock as a writer has it"):
                call()
        assert can_enter(lock, "reader")
    assert is_free(lock)


# ── signals ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_thread_signals
@pytest.mark.parametrize("moment", ["waits to be notified", "waits for the lock"])
@pytest.mark.parametrize("timeout", ["", "1000", "threading.TIMEOUT_MAX"])
def test_a_wait_that_ctrl_c_ends_has_the_lock(moment: str, timeout: str) -> None:
    run_program(f"""
        import signal, threading, time
        from cereggii import ReadersWriterLock
        # A shell's background jobs ignore SIGINT, so Python has not installed this handler there.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        lock = ReadersWriterLock()
        condition = threading.Condition(lock.writer())
        let_go = threading.Event()

        def other():
            while not condition._waiters:
                time.sleep(0.01)
            if {moment!r} == "waits for the lock":
                with condition:
                    condition.notify()
                    interrupt()
                    interrupt()
            else:
                interrupt()

        def interrupt():
            time.sleep(0.2)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            time.sleep(0.2)

        thread = threading.Thread(target=other)
        try:
            with condition, condition, lock.reader():
                thread.start()
                try:
                    condition.wait({timeout})
                except KeyboardInterrupt:
                    assert lock.writer().locked() and lock.reader().locked()
                    assert lock.writer()._is_owned()
                    raise
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError("not interrupted")
        thread.join()
        assert lock.writer().acquire(blocking=False)
        lock.writer().release()
        assert repr(lock).endswith(": 0 readers inside>"), lock
    """)


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_thread_signals
@pytest.mark.parametrize("others", [0, 2])
def test_a_wait_that_is_interrupted_at_any_moment_has_the_lock(others: int, seed: int) -> None:
    """While it gives the lock back or takes it back, whatever signal handlers raise."""
    run_program(
        f"""
        import random, signal, sys, threading, time
        from cereggii import ReadersWriterLock, locks
        choose = random.Random(int(sys.argv[1]))
        lock = ReadersWriterLock()
        condition = threading.Condition(lock.writer())
        interrupted = {{"_release_save": 0, "_acquire_restore": 0}}

        class Interrupted(Exception):
            pass

        def handler(_signal, frame):
            code = frame.f_code
            if code.co_name in interrupted and frame.f_lineno == code.co_firstlineno:
                return  # at the start of the function, where it cannot catch anything
            method = None
            while frame is not None:
                if frame.f_code.co_filename == locks.__file__:
                    method = frame.f_code.co_name
                frame = frame.f_back
            if method in interrupted:
                interrupted[method] += 1
                raise Interrupted

        def use():
            while not done.is_set():
                with condition:
                    condition.notify()

        signal.signal(signal.SIGALRM, handler)
        done = threading.Event()
        threads = [threading.Thread(target=use) for _ in range({others})]
        for thread in threads:
            thread.start()
        begin = time.monotonic()
        while (elapsed := time.monotonic() - begin) < 1 or (
            not all(interrupted.values()) and elapsed < 15
        ):
            reads = choose.randrange(3)
            writes = choose.randrange(1, 3)
            for _ in range(writes):
                lock.writer().acquire()
            for _ in range(reads):
                lock.reader().acquire()
            signal.setitimer(signal.ITIMER_REAL, 10 ** choose.uniform(-6, -4.2))
            try:
                condition.wait(choose.choice([0, 0, 0, 0.0001]))
            except Interrupted:
                pass
            signal.setitimer(signal.ITIMER_REAL, 0)
            for _ in range(reads):
                lock.reader().release()
            for _ in range(writes):
                lock.writer().release()
            assert not lock.writer()._is_owned()
        done.set()
        for thread in threads:
            thread.join()
        assert all(interrupted.values()), interrupted
        assert lock.writer().acquire(blocking=False)
        """,
        str(seed),
    )


@pytest.mark.thread_unsafe(reason="starts processes")
@needs_thread_signals
def test_a_signal_handler_that_keeps_the_lock_for_reading_does_not_make_a_wait_hang() -> None:
    run_program("""
        import signal, threading, time
        from cereggii import ReadersWriterLock
        lock = ReadersWriterLock()
        condition = threading.Condition(lock.writer())
        signal.signal(signal.SIGALRM, lambda *_: lock.reader().acquire())
        lock.writer().acquire()
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        try:
            condition.wait(0.4)
        except RuntimeError as error:
            assert "for reading" in str(error), error
        else:
            raise AssertionError("not told")
        lock.reader().release()
        assert lock.writer().acquire(blocking=False)
    """)

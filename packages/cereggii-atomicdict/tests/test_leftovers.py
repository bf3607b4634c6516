# SPDX-License-Identifier: Apache-2.0
"""Objects that a thread removes beside others are freed soon, although nobody calls again.

In most of the tests the thread that frees it a moment later is held back, so that the others come.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import queue
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cereggii_atomicdict import AtomicDict, _atomicdict

from tools.testing.concurrency import PATIENCE, Task, eventually
from tools.testing.interpreters import FREE_THREADED

pytestmark = [
    pytest.mark.thread_unsafe(reason="measures when objects die"),
    pytest.mark.skipif(not FREE_THREADED, reason="with a GIL, everything is freed at once"),
    pytest.mark.usefixtures("no_automatic_collections"),
]


@pytest.fixture
def no_automatic_collections() -> Iterator[None]:
    gc.collect()
    gc.disable()
    hold_back(True)
    yield
    hold_back(False)
    gc.enable()
    kept_dicts.clear()


def hold_back(held_back: bool) -> None:
    """The reclaimer thread: it frees nothing from now on, or does so again."""
    hold = getattr(_atomicdict, "_hold_leftovers_back", None)  # not with a GIL
    if hold is not None:
        hold(held_back)


# The end of a dict frees everything that waits: those of a test live until it ends.
kept_dicts: list[AtomicDict[Any, Any]] = []


class Key:
    """Compared by identity. Says which thread it dies in."""

    def __init__(self, note: Callable[[int], Any] = lambda _: None) -> None:
        self.note = note

    def __del__(self) -> None:
        self.note(threading.get_ident())


@contextlib.contextmanager
def others_pinned() -> Iterator[None]:
    """While the body runs, other threads are pinned most of the time, in another dict."""
    stop = False
    other: AtomicDict[int, None] = AtomicDict.fromkeys(range(1000))
    kept_dicts.append(other)
    batch = dict.fromkeys(range(1000))

    def read() -> None:
        while not stop:
            other.batch_getitem(batch, 1024)

    readers = [Task(read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        yield
    finally:
        stop = True
        for reader in readers:
            reader.result()


def delete(d: AtomicDict[Any, Any], key: Any) -> None:
    del d[key]


REMOVALS: dict[str, Callable[[AtomicDict[Any, Any], Any], None]] = {
    "del": delete,
    "clear": lambda d, _: d.clear(),
}
each_removal = pytest.mark.parametrize("remove", REMOVALS.values(), ids=REMOVALS)


def leave_something(
    remove: Callable[[AtomicDict[Any, Any], Any], None] = delete, **how: Any
) -> weakref.ref[Key]:
    """Remove keys beside pinned threads, until one of the keys has to wait, and is still alive."""
    d: AtomicDict[Any, Any] = AtomicDict()
    kept_dicts.append(d)
    end = time.monotonic() + PATIENCE / 2
    while time.monotonic() < end:
        key = Key(**how)
        reference = weakref.ref(key)
        d[key] = None
        remove(d, key)
        key = None  # type: ignore[assignment]
        if reference() is not None:
            return reference
    raise AssertionError("no thread is ever pinned")


class Worker:
    """A thread that does what it is told to, and is idle otherwise."""

    def __init__(self) -> None:
        self._works: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.task = Task(self._run)
        self.task.start()

    def _run(self) -> None:
        while (work := self._works.get()) is not None:
            self._results.put(work())
            del work

    def do(self, work: Callable[[], Any]) -> Any:
        self._works.put(work)
        return self._results.get(timeout=PATIENCE)

    def end(self) -> None:
        self._works.put(None)
        self.task.result()


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.end()


def remove_one() -> None:
    d: AtomicDict[Any, Any] = AtomicDict({1: 1})
    kept_dicts.append(d)
    del d[1]


# ── by the thread that has removed it ──────────────────────────────────────────────────────────


@each_removal
def test_a_thread_frees_what_it_has_left_at_its_next_removal(
    worker: Worker, remove: Callable[[AtomicDict[Any, Any], Any], None]
) -> None:
    with others_pinned():
        reference = worker.do(functools.partial(leave_something, remove))
    assert reference() is not None
    worker.do(remove_one)
    assert reference() is None


# ── by the reclaimer thread ────────────────────────────────────────────────────────────────────


@each_removal
def test_leftovers_of_an_idle_thread_are_freed_although_nobody_calls_again(
    worker: Worker, remove: Callable[[AtomicDict[Any, Any], Any], None]
) -> None:
    died: list[int] = []
    with others_pinned():
        for _ in range(5):
            died.clear()
            reference = worker.do(functools.partial(leave_something, remove, note=died.append))
            assert reference() is not None
            hold_back(False)
            assert eventually(lambda: reference() is None)  # noqa: B023
            # The finalizer comes a moment later than the weak reference dies.
            assert eventually(lambda: died[-1:] not in ([], [worker.task.ident]))
            assert died[-1] != threading.get_ident()
            hold_back(True)


def test_leftovers_of_the_main_thread_are_freed_while_it_waits() -> None:
    assert threading.current_thread() is threading.main_thread()
    died: queue.SimpleQueue[int] = queue.SimpleQueue()
    with others_pinned():
        reference = leave_something(note=died.put)
        hold_back(False)
        while died.get(timeout=PATIENCE) == threading.get_ident():
            pass  # of those that did not have to wait
    assert reference() is None


def test_leftovers_of_a_thread_that_has_ended_are_freed() -> None:
    with others_pinned():
        task = Task(leave_something)
        task.start()
        reference = task.result()
        assert reference() is not None
        hold_back(False)
        assert eventually(lambda: reference() is None)


def test_leftovers_of_finalizers_at_the_end_of_a_thread_are_freed() -> None:
    references = []
    local = threading.local()

    class Last:
        def __del__(self) -> None:
            references.append(leave_something())

    def work() -> None:
        local.last = Last()  # before and after what the thread has left
        references.append(leave_something())
        local.later = Last()

    with others_pinned():
        for _ in range(5):
            task = Task(work)
            task.start()
            task.result()
        assert eventually(lambda: len(references) == 15)
        hold_back(False)
        assert eventually(lambda: [reference() for reference in references] == [None] * 15)


def test_leftovers_of_the_reclaimer_thread_itself_are_freed(worker: Worker) -> None:
    references = []

    def leave_more(thread: int) -> None:
        if thread != worker.task.ident:
            references.append(leave_something())

    with others_pinned():
        first = worker.do(functools.partial(leave_something, note=leave_more))
        hold_back(False)
        assert eventually(lambda: len(references) == 1 and references[0]() is None)
        assert first() is None


def test_a_finalizer_that_waits_in_the_reclaimer_thread_holds_up_no_other() -> None:
    """Leftovers from before and from later are freed meanwhile."""
    blocked, proceed = threading.Semaphore(0), threading.Event()
    workers = [Worker() for _ in range(9)]
    idle = iter(workers)

    def block(thread: int) -> None:
        if thread not in {worker.task.ident for worker in workers}:
            blocked.release()
            proceed.wait(3 * PATIENCE)  # longer than the test waits for others

    def leave(**how: Any) -> weakref.ref[Key]:
        """Leave an object in an idle thread, which does not come back for it."""
        reference: weakref.ref[Key] = next(idle).do(functools.partial(leave_something, **how))
        return reference

    try:
        with others_pinned():
            references = [leave(), leave(), leave(note=block), leave(), leave()]
            others = references[:2] + references[3:]
            hold_back(False)
            assert blocked.acquire(timeout=PATIENCE)
            assert eventually(lambda: gc.collect() >= 0 and not any(each() for each in others))
            for _ in range(3):  # as many reclaimer threads as wait
                time.sleep(0.15)
                references.append(leave(note=block))
                assert blocked.acquire(timeout=PATIENCE)
            time.sleep(0.15)
            last = leave()
            assert eventually(lambda: last() is None)
    finally:
        proceed.set()
        for worker in workers:
            worker.end()
    assert eventually(lambda: not any(reference() for reference in references))


def count_native_threads() -> int:
    return len(os.listdir("/proc/self/task"))


@pytest.mark.skipif(sys.platform != "linux", reason="counts native threads, in /proc")
def test_there_is_one_reclaimer_thread_and_only_as_long_as_something_is_left(
    worker: Worker,
) -> None:
    before = count_native_threads()
    with others_pinned():
        inside = count_native_threads()
        for _ in range(20):
            worker.do(leave_something)
        hold_back(False)
        counts = {count_native_threads()}
        for _ in range(20):
            remove_one()
            counts.add(count_native_threads())
        assert counts <= {inside, inside + 1}
    assert eventually(lambda: count_native_threads() == before)


# ── by others ──────────────────────────────────────────────────────────────────────────────────


def do_all_that_removes_nothing() -> None:
    d: AtomicDict[Any, Any] = AtomicDict.fromkeys(range(100), 0)
    kept_dicts.append(d)
    for n in range(20_000):
        d.get(n)
        assert (n in d) == (n < 100)
        d[n % 100] = n
        d.setdefault(n % 100, n)
        d.compare_and_set(n % 100, n, n + 1)
        d.approx_len()
        if n % 100 == 0:
            len(d), list(d), list(d.items()), d.snapshot(), list(d.fast_iter())
            d.batch_getitem(dict.fromkeys(range(50)))
            d.reduce_sum([(5, 1)])


@each_removal
def test_a_thread_runs_no_finalizers_of_objects_that_others_removed(
    worker: Worker, remove: Callable[[AtomicDict[Any, Any], Any], None]
) -> None:
    with others_pinned():
        reference = worker.do(functools.partial(leave_something, remove))
    do_all_that_removes_nothing()
    assert reference() is not None
    for _ in range(5000):
        d: AtomicDict[Any, Any] = AtomicDict.fromkeys(range(3))
        kept_dicts.append(d)
        del d[0]
        d.pop(1)
        d.clear()
    assert reference() is not None
    kept_dicts.clear()
    assert reference() is None


@each_removal
def test_a_collection_frees_what_idle_threads_have_left(
    worker: Worker, remove: Callable[[AtomicDict[Any, Any], Any], None]
) -> None:
    for _ in range(5):
        died: list[int] = []
        with others_pinned():
            reference = worker.do(functools.partial(leave_something, remove, note=died.append))
        assert reference() is not None
        gc.collect()
        assert reference() is None
        assert died[-1] == threading.get_ident()
        assert {*died[:-1]} <= {worker.task.ident}


def test_a_collection_beside_others_frees_what_idle_threads_have_left(worker: Worker) -> None:
    with others_pinned():
        for _ in range(20):
            reference = worker.do(leave_something)
            gc.collect()
            assert reference() is None


def test_the_end_of_any_dict_frees_what_idle_threads_have_left(worker: Worker) -> None:
    with others_pinned():
        for _ in range(20):
            reference = worker.do(leave_something)
            assert reference() is not None
            AtomicDict()
            assert reference() is None


def test_a_thread_that_never_used_a_dict_may_collect(worker: Worker) -> None:
    with others_pinned():
        reference = worker.do(leave_something)
    collects = Worker()
    collects.do(gc.collect)
    collects.end()
    assert reference() is None


def test_leftovers_of_a_finalizer_in_a_collection_are_freed_by_the_next(worker: Worker) -> None:
    references = []

    def leave_more(_: int) -> None:
        references.append(leave_something())

    with others_pinned():
        first = worker.do(functools.partial(leave_something, note=leave_more))
        worker.do(gc.collect)
        assert first() is None
        assert references[-1]() is not None
        gc.collect()
        assert references[-1]() is None


# ── the object that the collector finds ────────────────────────────────────────────────────────


def test_a_collection_finds_nothing_if_nothing_was_left() -> None:
    kept_dicts.clear()
    remove_one()
    gc.collect()
    assert gc.collect() == 0


def test_nothing_shows_up_in_gc_garbage(worker: Worker) -> None:
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        with others_pinned():
            reference = worker.do(leave_something)
        gc.collect()
        assert reference() is None
        assert [type(thing) for thing in gc.garbage if "cereggii" in str(type(thing))] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


def test_there_is_one_object_for_the_collector_however_much_was_left(worker: Worker) -> None:
    def count() -> int:
        return sum("_Leftovers" in str(type(thing)) for thing in gc.get_objects())

    gc.collect()
    assert count() == 0
    with others_pinned():
        for _ in range(50):
            worker.do(leave_something)
        assert count() == 1
    gc.collect()
    assert count() == 0


def test_leftovers_from_before_and_after_a_freeze_are_freed(worker: Worker) -> None:
    with others_pinned():
        before = worker.do(leave_something)
        gc.freeze()
        try:
            assert before() is not None
            after = worker.do(leave_something)
            hold_back(False)
            assert eventually(lambda: (before(), after()) == (None, None))
            hold_back(True)
        finally:
            gc.unfreeze()
        gc.collect()
        again = worker.do(leave_something)
        gc.collect()
        assert again() is None

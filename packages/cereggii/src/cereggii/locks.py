# SPDX-License-Identifier: Apache-2.0
"""A lock that readers share, and that a writer has alone."""

from __future__ import annotations

import os
import sys
import threading
import time
from types import TracebackType
from typing import ClassVar, NoReturn, Self

from cereggii_atomicint import AtomicInt
from cereggii_atomicref import AtomicRef

__all__ = ["ReaderLock", "ReadersWriterLock", "WriterLock"]


# The state of a lock: how many readers and writers are inside, or try to get in; how many threads
# are in the queue; and whether the first of them has waited for so long that it is its turn.
_READER = 1
_WRITER = 1 << 24
_QUEUED = 1 << 40
_TURN = 1 << 60
_WRITERS = _QUEUED - _WRITER
_INSIDE = _QUEUED - 1

# What a reader and a writer, who do not come out of the queue, find set if they are to join it.
_SHUT_TO_READERS = -_WRITER
_SHUT_TO_WRITERS = _INSIDE | _TURN

# For so many seconds a writer that comes may pass the first of the queue. To hand over the lock to
# a thread that sleeps takes a hundred times as long as most use of it, while nobody can have it.
_PATIENCE = 0.001

# How often a thread looks before it goes to sleep. With a GIL nothing changes while it looks.
_LOOKS = 1 if getattr(sys, "_is_gil_enabled", lambda: True)() else 20

# Signal handlers and finalizers run between any two steps of a thread, and may raise. Not quite
# any: CPython looks for them after a call, at the beginning of a function, and where it jumps back.
# What must not be torn apart is therefore written without calls and loops, in operators: `+=` on an
# AtomicInt is one atomic update and keeps the object; a bool is added or subtracted as 1 or 0, and
# `x & -a_bool` is x or 0. (To multiply a large int may run them as well.) There is no lock that
# such code could find held.


class _Side:
    """What readers and writers have in common."""

    __slots__ = ("__weakref__", "_holds", "_rw_lock", "_timeout")
    _purpose: ClassVar[str]

    def __init__(self, rw_lock: ReadersWriterLock, timeout: float | None = None) -> None:
        if timeout is not None:
            _check(timeout)
        self._rw_lock = rw_lock
        self._holds = rw_lock._holds
        self._timeout = timeout

    def acquire(self, timeout: float | None = None) -> bool:
        """Wait until the calling thread has the lock; False if `timeout` seconds are over.

        None stands for the timeout that `reader()` or `writer()` was given: none, as a rule.
        """
        raise NotImplementedError

    def release(self) -> None:
        """Give back what was acquired once; RuntimeError if the calling thread does not have it."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        if self.acquire():
            return self
        raise TimeoutError(
            f"{self._rw_lock!r} was not free for {self._purpose} in {self._timeout} s"
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._rw_lock!r}>"


class ReaderLock(_Side):
    """A ReadersWriterLock as its readers have it: made by `reader()`."""

    __slots__ = ()
    _purpose = "reading"

    def acquire(self, timeout: float | None = None) -> bool:  # noqa: D102 - that of the base
        if timeout is None:
            timeout = self._timeout
        else:
            _check(timeout)
        holds = self._holds.mine
        if holds.reads or holds.writes:
            holds.reads += 1
            return True
        state = holds.state
        if timeout == 0:
            self._rw_lock._forget_threads_of_ancestors()
            while (seen := state.get()) < _WRITER:
                (done,) = map(state.compare_and_set, (seen,), (seen + _READER,))
                if done:
                    holds.reads += 1
                    return True
            return False
        if state.get() < _WRITER:
            state += _READER
            inside = state < _WRITER
            holds.reads += inside
            state -= not inside
            if inside:
                return True
            state.notify_all()
        try:
            return self._rw_lock._enter(holds, False, timeout)
        except BaseException:
            if holds.reads:  # a signal handler raised in the last steps of `_enter`
                self.release()
            raise

    def release(self) -> None:  # noqa: D102
        holds = self._holds.mine
        if not holds.reads:
            raise RuntimeError(f"{self._rw_lock!r} is not held for reading by this thread")
        state = holds.state
        holds.reads -= 1
        if not (holds.reads or holds.writes):
            try:
                seen = state.decrement_and_get()
            except BaseException:  # of a signal handler, after that
                state.notify_all()
                raise
            if seen >= _QUEUED and not seen & _INSIDE:
                state.notify_all()


class WriterLock(_Side):
    """A ReadersWriterLock as its writers have it: made by `writer()`."""

    __slots__ = ()
    _purpose = "writing"

    def acquire(self, timeout: float | None = None) -> bool:  # noqa: D102
        if timeout is None:
            timeout = self._timeout
        else:
            _check(timeout)
        holds = self._holds.mine
        if holds.writes:
            holds.writes += 1
            return True
        if holds.reads:
            raise RuntimeError(
                f"this thread has {self._rw_lock!r} for reading, and would wait for itself to write"
            )
        state = holds.state
        if timeout == 0:
            self._rw_lock._forget_threads_of_ancestors()
            (done,) = map(state.compare_and_set, (0,), (_WRITER,))
            if done:
                holds.writes += 1
                return True
            return False
        if not state & _SHUT_TO_WRITERS:
            state += _WRITER
            inside = (state & _SHUT_TO_WRITERS) == _WRITER
            holds.writes += inside
            state -= _WRITER & -(not inside)
            if inside:
                return True
            state.notify_all()
        try:
            return self._rw_lock._enter(holds, True, timeout)
        except BaseException:
            if holds.writes:  # a signal handler raised in the last steps of `_enter`
                self.release()
            raise

    def release(self) -> None:  # noqa: D102
        holds = self._holds.mine
        if not holds.writes:
            raise RuntimeError(f"{self._rw_lock!r} is not held for writing by this thread")
        state = holds.state
        # A writer that goes on reading becomes a reader.
        amount = _WRITER - _READER if holds.reads else _WRITER
        holds.writes -= 1
        if not holds.writes:
            try:
                seen = state.decrement_and_get(amount)
            except BaseException:
                state.notify_all()
                raise
            if seen >= _QUEUED:
                state.notify_all()


_never_waited_for = AtomicInt()


def _check(timeout: float) -> None:
    _never_waited_for.wait_while(1, timeout)


class _Holds:
    """How often a thread has the lock, and whether it waits for it."""

    __slots__ = ("reads", "state", "waits", "writes")

    def __init__(self, state: AtomicInt) -> None:
        # Of the lock; a handle, so that threads do not meet when they count references.
        self.state = state.get_handle()
        self.waits = False
        self.reads = 0
        self.writes = 0


class _HoldsOfThreads(threading.local):
    """What each thread holds: of a thread-local object, one attribute is read for each call."""

    def __init__(self, state: AtomicInt) -> None:  # in each thread
        self.mine = _Holds(state)


class _Place:
    """A thread's place in the queue."""

    __slots__ = ("ahead", "counts", "forks", "left", "thread")

    def __init__(self) -> None:
        self.forks = len(_forkers)
        self.thread = threading.get_ident()
        self.left = AtomicInt()  # 1 once the thread has gone from here, with the lock or without
        self.counts = 0  # _QUEUED while the state counts the thread, and _TURN
        self.ahead: _Place | None = None


# Of each fork of this process's ancestors, down to it: the one thread that it has left.
_forkers: list[int] = []


def _forked() -> None:
    _forkers.append(threading.get_ident())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class ReadersWriterLock:
    """A lock that any number of readers share, or that one writer has alone.

        with lock.reader():
            ...             # beside other readers, but no writer
        with lock.writer():
            ...             # alone

    Fair: who has to wait gets in first come, first served, so neither readers nor writers starve;
    readers that stand next to each other in the queue go in together. Only a writer that comes when
    nobody is inside may pass those who wait, and nobody once the first of them has waited for a
    millisecond: so the lock is not idle until a thread has been woken. Reentrant: a thread that has
    the lock gets it again in the same way, also while others wait. A writer may read as well. A
    reader that asks to write would wait for itself: it gets a RuntimeError. Whoever acquires also
    releases.

    Where nobody waits, to acquire or release is one atomic addition. Waiting is detached from the
    interpreter, takes a timeout in seconds (None: for ever), and ends for signals. After
    java.util.concurrent.locks.ReentrantReadWriteLock in its fair mode.
    """

    __slots__ = ("__dict__", "__weakref__", "_holds", "_last", "_state")

    def __init__(self) -> None:
        self._state = AtomicInt()
        self._holds = _HoldsOfThreads(self._state)
        self._last: AtomicRef[_Place | None] = AtomicRef()

    def reader(self, timeout: float | None = None) -> ReaderLock:
        """The lock as readers have it; `with` raises TimeoutError after `timeout` seconds."""
        return ReaderLock(self, timeout)

    def writer(self, timeout: float | None = None) -> WriterLock:
        """The lock as a writer has it; `with` raises TimeoutError after `timeout` seconds."""
        return WriterLock(self, timeout)

    def __repr__(self) -> str:
        state = self._state.get()
        readers = state & (_WRITER - 1)
        inside = "a writer" if state & _WRITERS else f"{readers} reader{'s' * (readers != 1)}"
        return f"<{type(self).__name__} at {id(self):#x}: {inside} inside>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a lock cannot be copied or pickled: {self!r}")

    # ── the queue ──────────────────────────────────────────────────────────────────────────────
    #
    # A linked list, after Craig, Landin and Hagersten: each waits for the one ahead to leave. Who
    # has nobody ahead is at the head: it waits for room, takes it, and leaves the queue. No reader
    # passes the queue; once it is the head's turn, no writer does, and room once there stays. Who
    # gives up leaves like any other; who stood behind waits for the one before it.

    def _enter(self, holds: _Holds, writes: bool, timeout: float | None) -> bool:
        if holds.waits:
            raise RuntimeError(
                f"this thread waits for {self!r} already, and would wait for itself in what has"
                " interrupted it"
            )
        state, place = holds.state, _Place()
        left, amount = place.left, _WRITER if writes else _READER
        try:
            holds.waits = True
            # No loop in here: CPython does not see what is raised where it jumps back as inside.
            return self._queue_up(place, holds, writes, timeout)
        except BaseException:
            if left == 1:  # with the lock
                holds.writes -= writes
                holds.reads -= not writes
                state -= amount
                state.notify_all()
            raise
        finally:
            holds.waits = False
            still = left == 0
            state -= place.counts & -still
            left += still
            left.notify_all()

    def _queue_up(self, place: _Place, holds: _Holds, writes: bool, timeout: float | None) -> bool:
        state, last = holds.state, self._last
        end = None if timeout is None else time.monotonic() + float(timeout)
        self._forget_threads_of_ancestors()
        shut = _SHUT_TO_WRITERS if writes else _SHUT_TO_READERS
        if self._looks(place, holds, writes, shut):
            return True
        place.ahead = last.get()
        while not last.compare_and_set(place.ahead, place):
            place.ahead = last.get()
        # After that: what the state counts can be found, by the child of a fork.
        state += _QUEUED
        place.counts = _QUEUED
        while (ahead := place.ahead) is not None:
            for _ in range(_LOOKS):
                if ahead.left == 1:
                    break
            if not ahead.left.wait_while(0, _remaining(end)):
                return False
            place.ahead = ahead.ahead
        # At the head.
        shut = _INSIDE if writes else _WRITERS
        turn = time.monotonic() + _PATIENCE
        while not self._looks(place, holds, writes, shut):
            seen = state | 0
            if place.counts & _TURN:
                until = end
            elif time.monotonic() >= turn:
                state += _TURN
                place.counts += _TURN
                continue
            else:
                until = turn if end is None else min(turn, end)
            if (
                seen & shut
                and not state.wait_while(seen, _remaining(until))
                and end is not None
                and time.monotonic() >= end
            ):
                return False
        return True

    def _looks(self, place: _Place, holds: _Holds, writes: bool, shut: int) -> bool:
        """Whether there was room, which the thread has taken now, and left its place."""
        state, left = holds.state, place.left
        amount, alone = (_WRITER, _WRITER) if writes else (_READER, 0)
        for _ in range(_LOOKS):
            if not state & shut:
                state += amount
                inside = (state & shut) == alone
                holds.writes += inside & writes
                holds.reads += inside & (not writes)
                state -= place.counts & -inside | amount & -(not inside)
                # Only now: who stands behind may set _TURN at once.
                left += inside
                if inside:
                    return True
                state.notify_all()
        return False

    def _forget_threads_of_ancestors(self) -> None:
        """In the child of a fork: those who were in the queue are not in this process."""
        if not _forkers:
            return
        place = self._last.get()
        while place is not None:
            # An id may be that of another thread by now.
            if any(forker != place.thread for forker in _forkers[place.forks :]):
                (done,) = map(place.left.compare_and_set, (0,), (1,))
                self._state -= place.counts & -done
                place.left.notify_all()
            place = place.ahead


def _remaining(end: float | None) -> float | None:
    return None if end is None else max(0.0, end - time.monotonic())


# Their names in cereggii 1.x.
ReadersWriterLock.ReaderLock = ReaderLock  # type: ignore[attr-defined]
ReadersWriterLock.WriterLock = WriterLock  # type: ignore[attr-defined]

# SPDX-License-Identifier: Apache-2.0
"""A lock that readers share, and that a writer has alone."""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar

from cereggii_atomicint import AtomicInt

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ReaderLock", "ReadersWriterLock", "WriterLock"]


class _Side:
    """What readers and writers have in common."""

    __slots__ = ("__weakref__", "_rw_lock", "_timeout")
    _purpose: ClassVar[str]

    def __init__(self, rw_lock: ReadersWriterLock, timeout: float | None = None) -> None:
        self._rw_lock = rw_lock
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
        if not self.acquire():
            raise TimeoutError(
                f"{self._rw_lock!r} was not free for {self._purpose} in {self._timeout} s"
            )
        return self

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
        lock = self._rw_lock
        holds = lock._holds.mine
        if not (holds.reads or holds.writes):
            seen = lock._state.get()
            if (seen >= _WRITER or not lock._state.compare_and_set(seen, seen + 1)) and (
                not lock._enter(False, self._timeout if timeout is None else timeout)
            ):
                return False
        holds.reads += 1
        return True

    def release(self) -> None:  # noqa: D102
        lock = self._rw_lock
        holds = lock._holds.mine
        if not holds.reads:
            raise RuntimeError(f"{lock!r} is not held for reading by this thread")
        holds.reads -= 1
        if not (holds.reads or holds.writes):
            lock._leave(1)


class WriterLock(_Side):
    """A ReadersWriterLock as its writers have it: made by `writer()`."""

    __slots__ = ()
    _purpose = "writing"

    def acquire(self, timeout: float | None = None) -> bool:  # noqa: D102
        lock = self._rw_lock
        holds = lock._holds.mine
        if not holds.writes:
            if holds.reads:
                raise RuntimeError(
                    f"this thread has {lock!r} for reading, and would wait for itself to write"
                )
            if not lock._enter(True, self._timeout if timeout is None else timeout):
                return False
        holds.writes += 1
        return True

    def release(self) -> None:  # noqa: D102
        lock = self._rw_lock
        holds = lock._holds.mine
        if not holds.writes:
            raise RuntimeError(f"{lock!r} is not held for writing by this thread")
        holds.writes -= 1
        if not holds.writes:
            # A writer that goes on reading becomes a reader.
            lock._leave(_WRITER - 1 if holds.reads else _WRITER)


# The state of a lock is the number of readers inside, and above it two bits.
_WRITER = 1 << 40  # a writer is inside
_QUEUE = 1 << 41  # somebody is in the queue: whoever comes queues up behind


class _Holds:
    """How often a thread has the lock."""

    __slots__ = ("reads", "writes")

    def __init__(self) -> None:
        self.reads = 0
        self.writes = 0


class _HoldsOfThreads(threading.local):
    """What each thread holds: of a thread-local object, one attribute is read for each call."""

    def __init__(self) -> None:
        self.mine = _Holds()


class _Waiter:
    """A thread in the queue."""

    __slots__ = ("granted", "writes")

    def __init__(self, writes: bool) -> None:
        self.writes = writes
        self.granted = AtomicInt()  # 1 once the lock is this thread's


class ReadersWriterLock:
    """A lock that any number of readers share, or that one writer has alone.

        with lock.reader():
            ...             # beside other readers, but no writer
        with lock.writer():
            ...             # alone

    Fair: who has to wait gets in first come, first served, so neither readers nor writers starve;
    readers that stand next to each other in the queue go in together. Reentrant: a thread that has
    the lock gets it again in the same way, also while others wait. A writer may read as well. A
    reader that asks to write would wait for itself: it gets a RuntimeError. Whoever acquires also
    releases.

    Where nobody waits, to acquire or release is one compare-and-swap. Waiting is detached from the
    interpreter, takes a timeout in seconds (None: for ever), and ends for signals. After
    java.util.concurrent.locks.ReentrantReadWriteLock in its fair mode.
    """

    __slots__ = ("__dict__", "__weakref__", "_holds", "_queue", "_queue_lock", "_state")

    def __init__(self) -> None:
        self._state = AtomicInt()
        self._holds = _HoldsOfThreads()
        # No code but ours is run while this is held, and nothing blocks.
        self._queue_lock = threading.Lock()
        self._queue: deque[_Waiter] = deque()

    def reader(self, timeout: float | None = None) -> ReaderLock:
        """The lock as readers have it; `with` raises TimeoutError after `timeout` seconds."""
        return ReaderLock(self, timeout)

    def writer(self, timeout: float | None = None) -> WriterLock:
        """The lock as a writer has it; `with` raises TimeoutError after `timeout` seconds."""
        return WriterLock(self, timeout)

    def __repr__(self) -> str:
        state = self._state.get()
        readers = state & (_WRITER - 1)
        inside = "a writer" if state & _WRITER else f"{readers} reader{'s' * (readers != 1)}"
        return f"<{type(self).__name__} at {id(self):#x}: {inside} inside>"

    # ── the protocol ───────────────────────────────────────────────────────────────────────────
    #
    # Who finds neither bit set gets in by a compare-and-swap of the state. While the queue's bit is
    # set, nobody does: who is at the head is let in by `_admit`, which one thread runs at a time.
    # Whoever leaves and sees the bit runs it, and whoever has queued up and set the bit runs it:
    # either the one sees the bit, or the other sees that there is room.

    def _enter(self, writes: bool, timeout: float | None) -> bool:
        state = self._state
        if writes:
            if state.compare_and_set(0, _WRITER):
                return True
        else:
            while (seen := state.get()) < _WRITER:
                if state.compare_and_set(seen, seen + 1):
                    return True
        if timeout == 0:
            return False
        waiter = _Waiter(writes)
        try:
            with self._queue_lock:
                self._queue.append(waiter)
                state |= _QUEUE
            self._admit()
            return waiter.granted.wait_while(0, timeout) or not self._leave_queue(waiter)
        except BaseException:
            # A signal, or a timeout that is none.
            if not self._leave_queue(waiter):
                self._leave(_WRITER if writes else 1)
            raise

    def _leave_queue(self, waiter: _Waiter) -> bool:
        """False: too late, the waiter has been let in."""
        with self._queue_lock:
            if waiter.granted.get():
                return False
            if waiter in self._queue:
                self._queue.remove(waiter)
        self._admit()  # those who stood behind
        return True

    def _admit(self) -> None:
        """Let in who is at the head of the queue, as long as there is room."""
        state = self._state
        with self._queue_lock:
            while self._queue:
                # While the queue's bit is set, others only leave.
                head, seen = self._queue[0], state.get()
                if seen & _WRITER or (head.writes and seen != _QUEUE):
                    return
                state += _WRITER if head.writes else 1
                self._queue.popleft()
                head.granted.set(1)
                head.granted.notify_one()
            state &= ~_QUEUE

    def _leave(self, amount: int) -> None:
        if self._state.decrement_and_get(amount) & _QUEUE:
            self._admit()


# Their names in cereggii 1.x.
ReadersWriterLock.ReaderLock = ReaderLock  # type: ignore[attr-defined]
ReadersWriterLock.WriterLock = WriterLock  # type: ignore[attr-defined]

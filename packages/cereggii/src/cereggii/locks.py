# SPDX-License-Identifier: Apache-2.0
"""A lock that readers share, and that a writer has alone."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, NoReturn

from cereggii_atomicint import AtomicInt

from cereggii._lock_queue import INSIDE, QUEUED, READER, SHUT_TO_WRITERS, WRITER, WRITERS, LockQueue

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ReaderLock", "ReadersWriterLock", "WriterLock"]


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
            while (seen := state.get()) < WRITER:
                (done,) = map(state.compare_and_set, (seen,), (seen + READER,))
                if done:
                    holds.reads += 1
                    return True
            return False
        if state.get() < WRITER:
            state += READER
            inside = state < WRITER
            holds.reads += inside
            state -= not inside
            if inside:
                return True
            state.notify_all()
        try:
            return self._rw_lock._enter(holds, False, timeout)
        except BaseException:
            if holds.reads:  # of a signal handler, when the thread had the lock already
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
            if seen >= QUEUED and not seen & INSIDE:
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
            (done,) = map(state.compare_and_set, (0,), (WRITER,))
            if done:
                holds.writes += 1
                return True
            return False
        if not state & SHUT_TO_WRITERS:
            state += WRITER
            inside = (state & SHUT_TO_WRITERS) == WRITER
            holds.writes += inside
            state -= WRITER & -(not inside)
            if inside:
                return True
            state.notify_all()
        try:
            return self._rw_lock._enter(holds, True, timeout)
        except BaseException:
            if holds.writes:  # of a signal handler, when the thread had the lock already
                self.release()
            raise

    def release(self) -> None:  # noqa: D102
        holds = self._holds.mine
        if not holds.writes:
            raise RuntimeError(f"{self._rw_lock!r} is not held for writing by this thread")
        state = holds.state
        # A writer that goes on reading becomes a reader.
        amount = WRITER - READER if holds.reads else WRITER
        holds.writes -= 1
        if not holds.writes:
            try:
                seen = state.decrement_and_get(amount)
            except BaseException:
                state.notify_all()
                raise
            if seen >= QUEUED:
                state.notify_all()


_never_waited_for = AtomicInt()


def _check(timeout: float) -> None:
    _never_waited_for.wait_while(1, timeout)


class ReadersWriterLock(LockQueue):
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

    __slots__ = ("__dict__", "__weakref__")

    def reader(self, timeout: float | None = None) -> ReaderLock:
        """The lock as readers have it; `with` raises TimeoutError after `timeout` seconds."""
        return ReaderLock(self, timeout)

    def writer(self, timeout: float | None = None) -> WriterLock:
        """The lock as a writer has it; `with` raises TimeoutError after `timeout` seconds."""
        return WriterLock(self, timeout)

    def __repr__(self) -> str:
        state = self._state.get()
        readers = state & (WRITER - 1)
        inside = "a writer" if state & WRITERS else f"{readers} reader{'s' * (readers != 1)}"
        return f"<{type(self).__name__} at {id(self):#x}: {inside} inside>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a lock cannot be copied or pickled: {self!r}")


# Their names in cereggii 1.x.
ReadersWriterLock.ReaderLock = ReaderLock  # type: ignore[attr-defined]
ReadersWriterLock.WriterLock = WriterLock  # type: ignore[attr-defined]

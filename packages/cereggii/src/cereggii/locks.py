# SPDX-License-Identifier: Apache-2.0
"""A lock that readers share, and that a writer has alone."""

from __future__ import annotations

from math import inf
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, NoReturn

from cereggii._deadline import Seconds, to_seconds
from cereggii._lock_queue import (
    INSIDE,
    QUEUED,
    READER,
    READERS,
    SHUT_TO_WRITERS,
    WRITER,
    WRITERS,
    LockQueue,
)

if TYPE_CHECKING:
    from typing import Self

__all__ = ["ReaderLock", "ReadersWriterLock", "WriterLock"]


class _Side:
    """The methods that ReaderLock and WriterLock share."""

    __slots__ = ("__weakref__", "_holds", "_rw_lock", "_timeout")
    _purpose: ClassVar[str]

    def __init__(self, rw_lock: ReadersWriterLock, timeout: Seconds | None = None) -> None:
        self._timeout = to_seconds(timeout)
        self._rw_lock = rw_lock
        self._holds = rw_lock._holds

    def acquire(
        self,
        blocking_or_timeout: Seconds | None = True,
        /,
        timeout: Seconds | None = None,
        *,
        blocking: bool = True,
    ) -> bool:
        """Acquire the lock for the calling thread. False if it did not get the lock in time.

        The arguments are those of `threading.Lock.acquire`. A timeout may also be given alone:
        `acquire(False)` and `acquire(blocking=False)` do not wait; `acquire(True, 5)`,
        `acquire(timeout=5)` and `acquire(5)` wait for 5 seconds. (A single number that is not a
        bool is a timeout, even 1.)

        | `timeout` | waits |
        |---|---|
        | not given, or None | as long as `reader(timeout)` or `writer(timeout)` says |
        | -1 or inf | without a limit, whatever those say |
        | 0 to `threading.TIMEOUT_MAX` | at most that many seconds |

        ValueError for another negative number or nan, and for a timeout of a call that does not
        wait. OverflowError for a larger number. A wait is detached from the interpreter, and ends
        at once for signals (Ctrl-C).
        """
        raise NotImplementedError

    def release(self) -> None:
        """Release the lock once. RuntimeError if the calling thread does not have it."""
        raise NotImplementedError

    def locked(self) -> bool:
        """Whether any thread has the lock in this way, like `threading.RLock.locked()`.

        Weak: it may count a thread that is about to find that it has to wait. Wait-free.
        """
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

    def __reduce__(self) -> NoReturn:
        raise _cannot_copy(self)

    def _limit(
        self, blocking_or_timeout: Seconds | None, timeout: Seconds | None, blocking: bool
    ) -> float:
        """The seconds that `acquire` waits at most with these arguments; inf without a limit."""
        first = blocking_or_timeout
        if isinstance(first, bool) or timeout is not None:
            if first is not True and blocking is not True:
                raise TypeError(f"blocking is given twice: {first!r} and {blocking!r}")
            blocking = bool(first and blocking)
        else:
            timeout = first
        if isinstance(timeout, (int, float)) and timeout == -1:  # threading.Lock's default
            return inf if blocking else 0.0
        seconds = self._timeout if timeout is None else to_seconds(timeout)
        if blocking:
            return seconds
        if timeout is not None:
            raise ValueError(f"a call that does not wait takes no timeout, not {timeout!r}")
        return 0.0

    def _not_held(self) -> RuntimeError:
        return RuntimeError(f"{self._rw_lock!r} is not held for {self._purpose} by this thread")


class ReaderLock(_Side):
    """A ReadersWriterLock for reading. `ReadersWriterLock.reader()` makes it.

    It has the methods of a `threading.Lock`. It does not work with a `threading.Condition`, as in
    java.util.concurrent: nothing changes while the lock is held for reading, and two readers could
    notify at the same time. The condition's `wait` and `notify` raise TypeError.
    """

    __slots__ = ()
    _purpose = "reading"

    def acquire(  # noqa: D102 - that of the base
        self,
        blocking_or_timeout: Seconds | None = True,
        /,
        timeout: Seconds | None = None,
        *,
        blocking: bool = True,
    ) -> bool:
        seconds = self._timeout
        if blocking_or_timeout is not True or timeout is not None or blocking is not True:
            seconds = self._limit(blocking_or_timeout, timeout, blocking)
        holds = self._holds.mine
        if holds.reads:
            holds.reads += 1
            return True
        state = holds.state
        if holds.writes:
            state += READER
            holds.reads += 1
            return True
        if seconds == 0:
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
            return self._rw_lock._enter(holds, False, seconds)
        except BaseException:
            if holds.reads:  # a signal handler raised it when the thread had the lock already
                self.release()
            raise

    def release(self) -> None:  # noqa: D102
        holds = self._holds.mine
        if not holds.reads:
            raise self._not_held()
        state = holds.state
        holds.reads -= 1
        if not holds.reads:
            try:
                seen = state.decrement_and_get()
            except BaseException:  # a signal handler raised it after the decrement
                state.notify_all()
                raise
            if seen >= QUEUED and not seen & INSIDE:
                state.notify_all()

    def locked(self) -> bool:  # noqa: D102
        return self._rw_lock._state & READERS != 0

    def _is_owned(self) -> NoReturn:
        raise TypeError(f"a Condition needs the lock as a writer has it, not {self!r}")


class WriterLock(_Side):
    """A ReadersWriterLock for writing. `ReadersWriterLock.writer()` makes it.

    It has the methods of a `threading.Lock`, and `threading.Condition(lock.writer())` works. As
    with a `threading.RLock`, the condition's `wait` releases the whole lock, however often the
    thread has it, for writing and for reading. It acquires the lock again before it returns, and
    before it raises the exception of a signal handler. That has no timeout.
    """

    __slots__ = ()
    _purpose = "writing"

    def acquire(  # noqa: D102
        self,
        blocking_or_timeout: Seconds | None = True,
        /,
        timeout: Seconds | None = None,
        *,
        blocking: bool = True,
    ) -> bool:
        seconds = self._timeout
        if blocking_or_timeout is not True or timeout is not None or blocking is not True:
            seconds = self._limit(blocking_or_timeout, timeout, blocking)
        holds = self._holds.mine
        if holds.writes:
            holds.writes += 1
            return True
        if holds.reads:
            raise RuntimeError(
                f"this thread has {self._rw_lock!r} for reading, and would wait for itself to write"
            )
        state = holds.state
        if seconds == 0:
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
            return self._rw_lock._enter(holds, True, seconds)
        except BaseException:
            if holds.writes:  # a signal handler raised it when the thread had the lock already
                self.release()
            raise

    def release(self) -> None:  # noqa: D102
        holds = self._holds.mine
        if not holds.writes:
            raise self._not_held()
        state = holds.state
        holds.writes -= 1
        if not holds.writes:
            try:
                seen = state.decrement_and_get(WRITER)  # this thread may still be a reader
            except BaseException:
                state.notify_all()
                raise
            if seen >= QUEUED:
                state.notify_all()

    def locked(self) -> bool:  # noqa: D102
        return self._rw_lock._state & WRITERS != 0

    # ── for threading.Condition ────────────────────────────────────────────────────────────────

    def _is_owned(self) -> bool:
        return self._holds.mine.writes > 0

    def _release_save(self) -> tuple[int, int]:
        """Release the lock however often the thread has it; the counts for `_acquire_restore`."""
        holds = self._holds.mine
        if not holds.writes:
            raise self._not_held()
        held, state = (holds.writes, holds.reads), holds.state
        # The thread is still a writer, so no other thread gets in.
        state -= READER & -(holds.reads > 0)
        holds.writes, holds.reads = 1, 0
        try:
            self.release()
        except BaseException:  # a signal handler raised it, before or after the release
            self._acquire_restore(held)
            raise
        return held

    def _acquire_restore(self, held: tuple[int, int]) -> None:
        """Acquire the lock again, and only then raise the exception of a signal handler.

        An exception at the very start of this function leaves the lock released: no function in
        Python can catch it.
        """
        holds, interruption = self._holds.mine, None
        state = holds.state
        while True:
            try:
                self.acquire(inf)
                break
            except MemoryError:
                raise
            except BaseException as error:
                if holds.reads and not holds.writes:  # a signal handler has kept the lock
                    raise
                interruption = error
        holds.writes, holds.reads = held
        state += READER & -(holds.reads > 0)
        if interruption is not None:
            try:
                raise interruption
            finally:
                del interruption  # it refers to this frame


def _cannot_copy(lock: object) -> TypeError:
    return TypeError(f"cannot copy or pickle a {type(lock).__name__!r} object")


class ReadersWriterLock(LockQueue):
    """A lock that any number of readers share, or that one writer has alone.

        with lock.reader():
            ...             # beside other readers, but no writer
        with lock.writer():
            ...             # alone

    **Fair.** Threads that have to wait get the lock in the order in which they came, so neither
    readers nor writers starve. Readers that follow each other in the queue get it together. One
    exception keeps the lock from being idle while a sleeping thread wakes up: a writer that comes
    when the lock is free may pass the queue. No writer does once the first thread of the queue has
    waited for a millisecond.

    **Reentrant.** A thread that has the lock gets it again in the same way, even while others wait.
    A writer may also read. A reader that asks to write gets a RuntimeError: it would wait for
    itself. Only the thread that acquired the lock can release it.

    If no thread waits, acquiring and releasing are one atomic addition each. A wait is detached
    from the interpreter, takes a timeout, and ends for signals. After
    java.util.concurrent.locks.ReentrantReadWriteLock in its fair mode.
    """

    __slots__ = ("__dict__", "__weakref__")

    def reader(self, timeout: Seconds | None = None) -> ReaderLock:
        """The lock for reading; `with` raises TimeoutError after `timeout` seconds.

        `timeout` is a real number from 0 to `threading.TIMEOUT_MAX`. None and inf mean no limit.
        ValueError for a negative number or nan, OverflowError for a larger one. A timeout that is
        given to `acquire` replaces this one.
        """
        return ReaderLock(self, timeout)

    def writer(self, timeout: Seconds | None = None) -> WriterLock:
        """The lock for writing; `timeout` is as for `reader`."""
        return WriterLock(self, timeout)

    def __repr__(self) -> str:
        state = self._state.get()
        readers = state & READERS
        inside = "a writer" if state & WRITERS else f"{readers} reader{'s' * (readers != 1)}"
        return f"<{type(self).__name__} at {id(self):#x}: {inside} inside>"

    def __reduce__(self) -> NoReturn:
        raise _cannot_copy(self)


# Their names in cereggii 1.x.
ReadersWriterLock.ReaderLock = ReaderLock  # type: ignore[attr-defined]
ReadersWriterLock.WriterLock = WriterLock  # type: ignore[attr-defined]
